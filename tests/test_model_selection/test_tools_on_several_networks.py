"""Tools and the hook, on checkpoints of networks that differ."""

import json

import pytest
from mmengine.config import Config
from tools_in_process import load_tool, run_loaded
from toy_pools import (
    cfg_classes,
    see_several_classes,
    two_networks,
    write_checkpoints,
)

from mmuda.engine import UDARunner
from mmuda.evaluation.label_free_scores import class_ratio
from mmuda.model_selection.checkpoint_scores import score_checkpoints
from mmuda.model_selection.harm_report_hook import HarmReportHook
from mmuda.model_selection.sampling_options import named_configs
from mmuda.model_selection.selection_data import Sampling
from mmuda.utils.errors import CheckpointError, ConfigError


@pytest.fixture(scope='module')
def two(tmp_path_factory):
    return two_networks(tmp_path_factory.mktemp('networks'))


@pytest.fixture(scope='module')
def scored(two):
    """As the tools shall have it."""
    (large, small), files, _ = two
    sampling = Sampling(target_count=3, source_count=2, workers=0)
    own = {files[1]: small}
    return score_checkpoints(
        large, files, sampling, lambda *_: None, own
    ).evidence


def run(tool, two, words, monkeypatch, capsys):
    few = ['--max-images', 3, '--max-source-images', 2, '--workers', 0]
    loaded = load_tool(f'analysis_tools/{tool}.py')
    words = [two[2][0], *words, *few]
    return run_loaded(loaded, words, monkeypatch, capsys)


def test_the_tools_take_other_configs(
    two, scored, monkeypatch, capsys, tmp_path
):
    _, (large, small), configs = two
    out = tmp_path / 'report.json'
    words = [large, '--source-only', small, '--pool', '--out', out]
    more = ['--source-only-config', configs[1]]
    code, printed = run('harm_report', two, words + more, monkeypatch, capsys)
    content = json.loads(out.read_text())
    assert code == (3 if content['harms'] else 0), printed
    found = content['scores']['checkpoints']
    for row, state in zip(found, scored.states, strict=True):
        assert row['class_ratio'] == class_ratio(state).tolist()
    words = [large, small, '--configs', f'{small}={configs[1]}', '--out', out]
    code, printed = run('select_checkpoint', two, words, monkeypatch, capsys)
    assert code == 0, printed
    again = json.loads(out.read_text())['checkpoints']
    assert [r['scores'] for r in again] == [r['scores'] for r in found]


def test_the_tools_refuse_what_fits_no_config(two, monkeypatch, capsys):
    _, (large, small), configs = two
    words = [large, '--source-only', small, '--pool']
    code, printed = run('harm_report', two, words, monkeypatch, capsys)
    assert code == 2
    assert f'{small} does not fit the segmentor' in printed
    more = ['--source-only-config', 'nowhere.py']
    code, printed = run('harm_report', two, words + more, monkeypatch, capsys)
    assert code == 2
    assert '--source-only-config: nowhere.py: no such config' in printed
    more = ['--configs', f'other.pth={configs[1]}']
    code, printed = run('harm_report', two, words + more, monkeypatch, capsys)
    assert code == 2
    assert 'of a checkpoint that is compared' in printed
    more = ['--source-only-config', configs[1]]
    more += ['--configs', f'{small}={configs[0]}']
    code, printed = run('harm_report', two, words + more, monkeypatch, capsys)
    assert code == 2
    assert f'both name a config of {small}' in printed


def test_pairs_of_checkpoint_and_config():
    files = ['runs/lr=0.1/a.pth', 'b.pth']
    words = ['runs/lr=0.1/a.pth=x=1.py', './b.pth=y']
    expected = {files[0]: 'x=1.py', files[1]: 'y'}
    assert named_configs(words, files) == expected
    with pytest.raises(ConfigError, match='b.pth has two, y and z'):
        named_configs([*words, 'b.pth=z'], files)


def train(two, work_dir, **hook):
    cfg = Config(two[0][0].to_dict())
    cfg.work_dir, cfg.experiment_name = str(work_dir), work_dir.name
    hook = dict(
        type='HarmReportHook',
        source_only=two[1][1],
        max_images=3,
        max_source_images=2,
        **hook,
    )
    cfg.custom_hooks = [*cfg.custom_hooks, hook]
    cfg.val_dataloader.dataset.indices = 1
    UDARunner.from_cfg(cfg).train()


def test_the_hook_takes_another_config(two, scored, tmp_path):
    train(two, tmp_path, source_only_config=str(two[2][1]))
    found = json.loads((tmp_path / 'harm_report.json').read_text())
    source_only = found['scores']['checkpoints'][1]
    assert source_only['name'] == 'iter_1.pth'
    ratio = class_ratio(scored.states[1]).tolist()
    assert source_only['class_ratio'] == pytest.approx(ratio)


@pytest.fixture(scope='module')
def pooled(two, tmp_path_factory):
    """A checkpoint of another head, which holds no config, and its config."""
    folder = tmp_path_factory.mktemp('head')
    cfg = Config(two[0][1].to_dict())
    head = cfg.model.segmentor.decode_head
    other = dict(type='FCNHead', num_convs=1, channels=6)
    kept = ('in_channels', 'in_index', 'num_classes', 'loss_decode')
    other |= {key: head[key] for key in kept if key in head}
    cfg.model.segmentor.decode_head = other
    (file,) = write_checkpoints(folder, cfg.model, cfg_classes(cfg), 1)
    see_several_classes(file)
    cfg.dump(folder / 'head.py')
    return cfg, file, str(folder / 'head.py')


def test_the_hook_takes_configs_of_its_pool(two, pooled, tmp_path):
    cfg, file, config = pooled
    given = dict(source_only_config=str(two[2][1]), pool=[file])
    train(two, tmp_path, **given, pool_configs=[config])
    found = json.loads((tmp_path / 'harm_report.json').read_text())
    rows = found['scores']['checkpoints']
    sampling = Sampling(target_count=3, source_count=2, workers=0)
    files = [two[1][0], file]
    own = {file: cfg}
    expected = score_checkpoints(
        two[0][0], files, sampling, lambda *_: None, own
    ).evidence.states[1]
    ratio = class_ratio(expected).tolist()
    assert rows[-1]['class_ratio'] == pytest.approx(ratio)


@pytest.mark.parametrize(
    ('configs', 'message'),
    [
        (None, 'does not fit the segmentor.* or pool_configs of a Harm'),
        ([None], 'does not fit the segmentor'),
        ([], r'pool_configs names 0, and there are 1 checkpoints in pool'),
        (['nowhere.py'], r'HarmReportHook\.pool_configs: nowhere\.py: no'),
        (['small'], r'small\.py: .*does not fit the segmentor'),
    ],
)
def test_before_training_the_hook_refuses_its_pool(
    two, pooled, tmp_path, configs, message
):
    small = str(two[2][1])
    if configs is not None:
        configs = [small if name == 'small' else name for name in configs]
    given = dict(source_only_config=small, pool=[pooled[1]])
    with pytest.raises((CheckpointError, ConfigError), match=message):
        train(two, tmp_path, **given, pool_configs=configs)
    assert not list(tmp_path.glob('iter_*.pth'))


def test_a_checkpoint_has_one_config(two):
    _, (large, small), (first, second) = two
    with pytest.raises(ConfigError, match='both name a config of .*iter_1'):
        HarmReportHook(
            small,
            pool=[small],
            source_only_config=str(second),
            pool_configs=[str(first)],
        )
    with pytest.raises(ConfigError, match='iter_1.pth has two; name one'):
        HarmReportHook(
            small, pool=[large] * 2, pool_configs=[str(first), str(second)]
        )


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        (None, 'iter_1.pth does not fit the segmentor'),
        ('large', r'large\.py: .*iter_1.pth does not fit the segmentor'),
        ('nowhere', 'HarmReportHook.source_only_config: .*nowhere.py: no'),
    ],
)
def test_before_training_the_hook_refuses(two, tmp_path, name, message):
    hook = {}
    if name is not None:
        file = two[2][0].with_name(f'{name}.py')
        hook = dict(source_only_config=str(file))
    with pytest.raises((CheckpointError, ConfigError), match=message):
        train(two, tmp_path, **hook)
    assert not list(tmp_path.glob('iter_*.pth'))
