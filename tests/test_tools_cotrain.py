"""What tools/cotrain.py says before it runs anything."""

import argparse
import json
import sys

import cotraining_runs
import demo_data
import pytest
import torch
from mmengine.logging import MMLogger
from tools_in_process import load_tool, run_loaded

from mmuda.procedures.cotraining_options import read_cotraining
from mmuda.utils.cli import USER_ERROR
from mmuda.utils.config import of_same_setting
from mmuda.utils.errors import ConfigError
from mmuda.utils.locks import locked_folder


@pytest.fixture(scope='module')
def tool():
    return load_tool('cotrain.py')


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return demo_data.write(tmp_path_factory.mktemp('toys'))


@pytest.fixture
def cotrain(tool, data, tmp_path, monkeypatch, capsys):
    # counts of classes go below the folder in use
    monkeypatch.chdir(tmp_path)

    def run(*more, **changes):
        words = cotraining_runs.words(
            data, tmp_path / 'out', *more, changes=changes.items()
        )
        return run_loaded(tool, words, monkeypatch, capsys)

    return run


def test_plan_names_all_stages(cotrain):
    code, text = cotrain('--dry-run')
    assert code == 0
    rows = [line for line in text.splitlines() if '/' in line]
    assert sum('waiting' in row for row in rows) == 33


def test_plan_for_a_target_without_labels(cotrain, tmp_path):
    none = tmp_path / 'none'
    key = 'val_dataloader.dataset.data_prefix.seg_map_path'
    code, text = cotrain('--dry-run', **{key: none})
    assert code == 0, text
    rows = [line for line in text.splitlines() if '/' in line]
    assert sum('waiting' in row for row in rows) == 33


def test_plan_tells_the_work(cotrain):
    _, text = cotrain('--dry-run', '--stage', 'baseline')
    assert '2 iterations' in text


def test_plan_runs_nothing(cotrain, tmp_path):
    cotrain('--dry-run')
    assert not list((tmp_path / 'out').rglob('*.pth'))


def test_folders_of_data_that_are_not_there(cotrain):
    lost = [f'{name}=/no/{name}' for name in ('source', 'target')]
    code, text = cotrain('--data-root', *lost)
    assert code == 2
    assert "'/no/source' (source) and '/no/target' (target, val)" in text


def test_status_of_nothing(cotrain):
    code, text = cotrain('--status')
    assert (code, 'done' in text) == (0, False)


def test_status_finds_finished_stages(cotrain, tmp_path):
    folder = tmp_path / 'out/baseline/training'
    folder.mkdir(parents=True)
    for name in ('iter_2.pth', 'finished'):
        (folder / name).touch()
    _, text = cotrain('--status')
    row = next(line for line in text.splitlines() if 'baseline' in line)
    assert 'done' in row


@pytest.mark.parametrize(
    ('words', 'changes', 'message'),
    [
        (['--stage', 'base'], {}, '--stage base: no such stage; there are '),
        (['--from', 'end'], {}, '--from end: no such stage'),
        (
            ['--dry-run'],
            {'cotraining.self_training.sample': 6},
            'self_training.sample=6, but the target has 5 images',
        ),
        (
            ['--dry-run'],
            {'cotraining.collaboration.keep': 0},
            'collaboration.keep=0: must be a whole number above 0',
        ),
        (['--train-processes', '2'], {}, 'at most --processes 1'),
        (
            ['--dry-run'],
            {'model.class_mix.classes': 'random'},
            'baseline_demo.py: model.class_mix: SourceOnly takes no',
        ),
        (['--stage', 'final'], {}, "final/label needs '"),
        (
            ['--dry-run'],
            {'pseudo_labels.rule.low': 2},
            'low=2: must be a number in [0, 1]',
        ),
        (['--dry-run'], {'randomness.seed': 7}, 'cotraining.seed; give that'),
        (
            ['--dry-run', '--baseline-checkpoint', 'lost.pth'],
            {},
            'lost.pth',
        ),
    ],
)
def test_wrong_option_is_one_line(cotrain, words, changes, message):
    code, text = cotrain(*words, **changes)
    assert (code, message in text) == (USER_ERROR, True), text


@pytest.mark.parametrize('option', ['--processes', '--train-processes'])
def test_no_process_at_all_is_a_usage_error(cotrain, capsys, option):
    with pytest.raises(SystemExit):
        cotrain(option, '0')
    line = capsys.readouterr().err.splitlines()[-1]
    assert f"{option}: must be a whole number above 0, not '0'" in line


def test_other_settings_do_not_continue(cotrain, tmp_path):
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out/recipe.json').write_text('{}')
    code, text = cotrain()
    assert code == USER_ERROR
    assert 'with another' in text


def test_configs_of_other_classes(cotrain, tmp_path):
    config = demo_data.ROOT / 'configs/cotraining/cotraining_final_demo.py'
    other = tmp_path / 'final.py'
    other.write_text(
        f'_base_ = {str(config)!r}\n'
        'model = dict(segmentor=dict(decode_head=dict(num_classes=16)))\n'
    )
    code, text = cotrain('--dry-run', **{'cotraining.final': other})
    assert code == USER_ERROR
    assert "other numbers of classes: {'baseline': 19, 'cycle': 19," in text


@pytest.fixture
def pretrained(cotrain, tmp_path):
    """What is said of ImageNet weights of the baseline."""
    config = demo_data.ROOT / 'configs/cotraining/cotraining_baseline_demo.py'

    def run(file, *words):
        other = tmp_path / 'baseline.py'
        other.write_text(
            f'_base_ = {str(config)!r}\n'
            f'weights = dict(type="Pretrained", checkpoint="{file}")\n'
            'backbone = dict(init_cfg=dict(_delete_=True, **weights))\n'
            'model = dict(segmentor=dict(backbone=backbone))\n'
        )
        return cotrain(*words, **{'cotraining.baseline': other})

    return run


def test_a_refused_stage_leaves_no_trace(cotrain, tmp_path):
    cotrain('--stage', 'final')
    assert not (tmp_path / 'out').exists()


def test_more_processes_than_gpus(tool):
    args = argparse.Namespace(processes=2, train_processes=1)
    with pytest.raises(ConfigError, match=r'there are 1 GPU\(s\)'):
        tool['check_processes'](args, 1)


def test_baseline_on_other_images(cotrain, data, tmp_path):
    """One source image is left out."""
    keys = sorted(path.stem for path in (data / 'GTA5/images').iterdir())
    (tmp_path / 'keys.txt').write_text('\n'.join(keys[1:]))
    config = demo_data.ROOT / 'configs/cotraining/cotraining_baseline_demo.py'
    other = tmp_path / 'baseline.py'
    keys = str(tmp_path / 'keys.txt')
    source = f'dict(dataset=dict(ann_file={keys!r}))'
    other.write_text(
        f'_base_ = {str(config)!r}\n'
        f'train_dataloader = dict(dataset=dict(source={source}))\n'
    )
    code, text = cotrain('--dry-run', **{'cotraining.baseline': other})
    assert code == USER_ERROR
    assert 'cotraining.baseline: data set 0 of the source has other' in text


def test_final_training_on_other_images(cotrain, tmp_path):
    """The cycles label all images of the target."""
    config = demo_data.ROOT / 'configs/cotraining/cotraining_final_demo.py'
    other = tmp_path / 'final.py'
    other.write_text(
        f'_base_ = {str(config)!r}\n'
        'train_dataloader = dict(\n'
        "    dataset=dict(target=dict(include=['bochum/*']))\n"
        ')\n'
    )
    code, text = cotrain('--dry-run', **{'cotraining.final': other})
    assert code == USER_ERROR
    assert 'cotraining.final: the target has other images' in text


def test_several_targets_are_refused(tool, tmp_path, monkeypatch, capsys):
    words = [cotraining_runs.CONFIG, '--dry-run', '--work-dir', tmp_path]
    words += ['--setting', 'g2ci']
    code, text = run_loaded(tool, map(str, words), monkeypatch, capsys)
    assert code == USER_ERROR
    assert "setting='g2ci': co-training adapts to one target" in text


@pytest.mark.parametrize(
    ('words', 'kind', 'folder'),
    [
        ((), 'IDDDataset', 'own'),
        (('--setting', 'g2m'), 'MapillaryVistasDataset', 'own_g2m'),
    ],
)
def test_first_and_last_training_take_the_setting(
    tool, tmp_path, monkeypatch, words, kind, folder
):
    """Also one that a config of the user says."""
    folder_of_all = cotraining_runs.CONFIG.parent
    beside = {
        role: str(folder_of_all / f'cotraining_{role}_demo.py')
        for role in ('baseline', 'final')
    }
    own = tmp_path / 'own.py'
    own.write_text(
        f"_base_ = '{cotraining_runs.CONFIG}'\nsetting = 'g2i'\n"
        f'cotraining = {beside}\n'
    )
    monkeypatch.setattr(sys, 'argv', ['cotrain.py', str(own), *words])
    procedure = tool['procedure_from'](tool['parse_args']())
    assert procedure.work_dir.name == folder
    target = procedure.cycle.train_dataloader.dataset.target
    assert target.type == kind
    last = procedure.final.train_dataloader.dataset.target
    assert last.data_prefix == target.data_prefix
    for cfg in (procedure.baseline, procedure.final):
        assert cfg.val_dataloader.dataset.type == kind


def test_a_seed_among_others_is_refused_too():
    with pytest.raises(ConfigError, match='cotraining.seed'):
        read_cotraining(
            cotraining_runs.CONFIG, dict(randomness=dict(seed=7)), {}
        )


def test_the_seed_is_that_of_the_stages(tool, monkeypatch):
    words = [str(cotraining_runs.CONFIG), '--seed', '7']
    monkeypatch.setattr(sys, 'argv', ['cotrain.py', *words])
    procedure = tool['procedure_from'](tool['parse_args']())
    assert procedure.options.seed == 7
    assert 'seed=7' in procedure.cycle.pretty_text


def test_two_seeds_of_a_command_line_are_refused(tool, monkeypatch):
    options = ['--cfg-options', 'cotraining.seed=8', '--seed']
    words = [str(cotraining_runs.CONFIG), *options]
    monkeypatch.setattr(sys, 'argv', ['cotrain.py', *words, '7'])
    with pytest.raises(ConfigError, match=r'--seed 7 and cotraining.seed=8 '):
        tool['procedure_from'](tool['parse_args']())
    monkeypatch.setattr(sys, 'argv', ['cotrain.py', *words, '8'])
    assert tool['procedure_from'](tool['parse_args']()).options.seed == 8


@pytest.mark.parametrize(('seed', 'told'), [(None, 0), (5, 0), (7, 1)])
def test_a_seed_in_place_of_that_of_the_config_is_told(
    seed, told, tmp_path, caplog
):
    folder, config = cotraining_runs.CONFIG.parent, tmp_path / 'own.py'
    base = f"_base_ = '{cotraining_runs.CONFIG}'"
    config.write_text(f'{base}\ncotraining = dict(seed=5)\n')
    changes = {
        f'cotraining.{role}': str(folder / f'cotraining_{role}_demo.py')
        for role in ('baseline', 'final')
    }
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    options, _, _ = read_cotraining(config, changes, {}, seed)
    logger.removeHandler(caplog.handler)
    assert options.seed == (seed or 5)
    lines = [r.getMessage() for r in caplog.records]
    expected = f'--seed 7 in place of cotraining.seed=5 of {config}'
    assert [line for line in lines if '--seed' in line] == [expected] * told


def test_a_setting_that_the_first_training_lacks_is_named():
    own = cotraining_runs.CONFIG.with_name('cotraining_baseline_demo.py')
    with pytest.raises(ConfigError, match="has no setting 'mine'.*baseline"):
        of_same_setting(own, {}, 'mine')


def test_missing_pretrained_weights(pretrained):
    code, text = pretrained('lost.pth')
    assert code == USER_ERROR
    assert "init_cfg.checkpoint: 'lost.pth' does not exist" in text


def test_a_plan_needs_no_pretrained_weights(pretrained):
    code, text = pretrained('lost.pth', '--dry-run')
    assert code == 0
    rows = [line for line in text.splitlines() if '/' in line]
    assert sum('waiting' in row for row in rows) == 33
    assert 'Without times and disk space: model.segmentor.backbone' in text


def test_unfit_pretrained_weights(pretrained, tmp_path):
    file = tmp_path / 'other.pth'
    torch.save({'layer1.0.conv1.weight': torch.zeros(3)}, file)
    for words in ((), ('--dry-run',)):
        code, text = pretrained(file, *words)
        assert code == USER_ERROR
        assert f'{file} does not fit ResNetV1c: ' in text


def test_plan_writes_nothing(cotrain, tmp_path):
    cotrain('--dry-run')
    assert not (tmp_path / 'out').exists()


def test_refused_settings_change_no_list(cotrain, tmp_path):
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out/recipe.json').write_text('{}')
    cotrain()
    assert not (tmp_path / 'out/translation').exists()


def test_status_of_a_running_stage(cotrain, tmp_path):
    state = {'stages': {'baseline/train': {'status': 'running'}}}
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out/state.json').write_text(json.dumps(state))
    with locked_folder(tmp_path / 'out', '--work-dir'):
        _, text = cotrain('--status')
    row = next(line for line in text.splitlines() if 'baseline' in line)
    assert 'running' in row


def test_config_without_the_key(tool, tmp_path, monkeypatch, capsys):
    config = demo_data.ROOT / 'configs/demo/demo_esl_gta2cs.py'
    code, text = run_loaded(tool, [config], monkeypatch, capsys)
    assert code == USER_ERROR
    assert 'the config has no cotraining=dict' in text


def test_plan_needs_no_data(tool, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = [cotraining_runs.CONFIG, '--dry-run', '--work-dir', 'out']
    code, text = run_loaded(tool, words, monkeypatch, capsys)
    assert code == 0, text
    rows = [line for line in text.splitlines() if '/' in line]
    assert sum('waiting' in row for row in rows) == 33
    assert 'Without times and disk space: ' in text
    assert list(tmp_path.iterdir()) == []
