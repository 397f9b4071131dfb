"""check_data.py: pseudo-labels, weights, and labels that are not there."""

import os
import sys
from types import SimpleNamespace

import demo_data
import pytest
import torch
import warm_processes
from mmengine.config import Config
from tools_in_process import load_tool, run_loaded

from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

TOOL = demo_data.ROOT / 'tools/misc/check_data.py'


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return demo_data.write(tmp_path_factory.mktemp('data'), count=2)


@pytest.fixture
def config(data, tmp_path):
    """The demo's data with a target that loads pseudo-labels."""
    cfg = demo_data.config(data, tmp_path)
    pipeline = cfg.train_dataloader.dataset.target.pipeline
    pipeline.insert(1, dict(type='LoadPseudoLabels', resize=True))
    loaders = {k: cfg[k] for k in ('train_dataloader', 'val_dataloader')}
    path = tmp_path / 'labelled.py'
    Config(loaders).dump(path)
    return path


def run(config, *options):
    done = warm_processes.run(
        [sys.executable, str(TOOL), str(config), *map(str, options)],
        env=os.environ | demo_data.ENVIRONMENT,
    )
    return done.returncode, done.stdout, done.stderr


def test_pseudo_labels_that_nobody_named(config):
    code, out, _ = run(config)
    assert code == 0
    assert 'pseudo-labels: none named, so none checked' in out


def test_pseudo_labels_that_are_not_there(config, tmp_path):
    code, _, err = run(config, '--pseudo-labels', tmp_path / 'none')
    assert code == 1
    assert str(tmp_path / 'none') in err


def test_config_without_pseudo_labels(data, tmp_path):
    cfg = demo_data.config(data, tmp_path)
    path = tmp_path / 'plain.py'
    Config(dict(train_dataloader=cfg.train_dataloader)).dump(path)
    code, _, err = run(path, '--pseudo-labels', tmp_path)
    assert code == 2
    assert 'no domain of this config loads pseudo-labels' in err


# Files beside the data


@pytest.fixture
def whole_config(data, tmp_path):
    """A config of the demo's data and of a network that starts somewhere."""

    def write(**model):
        cfg = demo_data.config(data, tmp_path)
        loaders = {k: cfg[k] for k in ('train_dataloader', 'val_dataloader')}
        path = tmp_path / 'whole.py'
        Config(dict(model=model, **loaders)).dump(path)
        return path

    return write


def pretrained(checkpoint):
    init_cfg = dict(type='Pretrained', checkpoint=str(checkpoint))
    return dict(segmentor=dict(backbone=dict(init_cfg=init_cfg)))


def test_pretrained_weights_that_are_not_there(whole_config, tmp_path):
    path = tmp_path / 'none.pth'
    code, out, err = run(whole_config(**pretrained(path)))
    assert code == 1
    place = 'model.segmentor.backbone.init_cfg'
    assert f"ERROR {place}.checkpoint: there is no '{path}'" in err
    assert f'--cfg-options {place}=None starts from random weights' in err
    assert '1 fault(s) found' in out


def test_random_weights_by_the_option_that_is_named(whole_config, tmp_path):
    config = whole_config(**pretrained(tmp_path / 'none.pth'))
    option = 'model.segmentor.backbone.init_cfg=None'
    code, out, _ = run(config, '--cfg-options', option)
    assert code == 0
    assert 'no fault found' in out


def test_pretrained_weights_that_are_there(whole_config, tmp_path):
    path = tmp_path / 'weights.pth'
    path.touch()
    code, out, _ = run(whole_config(**pretrained(path)))
    assert code == 0
    assert 'no fault found' in out


def test_addresses_are_named_and_not_fetched(whole_config):
    address = 'https://example.org/weights.pth'
    code, out, _ = run(whole_config(**pretrained(address)))
    assert code == 0
    assert f'{address} is fetched when training starts' in out


def test_class_ratios_that_are_not_there(whole_config, tmp_path):
    path = tmp_path / 'ratios.json'
    prior = dict(type='ClassRatioPrior', ratio=str(path))
    code, _, err = run(whole_config(class_ratio_prior=prior))
    assert code == 1
    assert f"model.class_ratio_prior.ratio: there is no '{path}'" in err
    assert f'class_statistics.py CONFIG --ratios {path}' in err


@pytest.mark.parametrize(('method', 'faults'), [('MLCL', 1), ('DACS', 0)])
def test_labels_of_a_target_that_a_method_does_not_learn(
    method, faults, capsys
):
    few = dict(labelled_target=dict(type='FolderDataset'))
    cfg = Config(
        dict(model=dict(type=method), train_dataloader=dict(dataset=few))
    )
    tool = load_tool('misc/check_data.py')
    assert tool['check_labelled_target'](cfg) == faults
    told = 'labelled_target: MLCL does not learn labels of a target'
    assert (told in capsys.readouterr().err) == bool(faults)


def test_a_weight_of_labels_that_are_not_there(whole_config):
    code, out, _ = run(whole_config(labelled_target_weight=0.5))
    assert code == 0
    assert 'WARNING model.labelled_target_weight=0.5 has no effect' in out


def test_target_without_labels_is_no_fault(config, data, tmp_path):
    folder = tmp_path / 'none'
    key = 'val_dataloader.dataset.data_prefix.seg_map_path'
    code, out, _ = run(config, '--cfg-options', f'{key}={folder}')
    assert code == 0
    assert f"not evaluated: there are no labels in '{folder}'" in out


# How far the domains are apart


@pytest.fixture
def check(data, tmp_path, monkeypatch, capsys):
    """Run the tool on the demo's data and a tiny network."""
    cfg = demo_data.config(data, tmp_path)
    cfg.dump(tmp_path / 'whole.py')

    def run(*words):
        words = [tmp_path / 'whole.py', *words]
        tool = load_tool('misc/check_data.py')
        return run_loaded(tool, words, monkeypatch, capsys)

    run.config = cfg
    return run


def test_domains_are_compared_if_nothing_is_wrong(check):
    code, printed = check('--gap-images', '2')
    assert code == 0
    assert 'How far the domains are apart' in printed
    assert '2 (2 read)' in printed
    assert "- sizes: 'target' is seen" in printed
    assert "of 'val' are of other classes than in the source" in printed
    assert printed.endswith('no fault found\n')
    assert 'mean entropy' not in printed
    assert 'apart' not in check('--gap-images', '0')[1]


def test_names_are_no_markup(check, tmp_path):
    cfg = check.config
    names = [f'[/class{i}]' if i % 2 else f'[class{i}]' for i in range(19)]
    for part in (
        cfg.train_dataloader.dataset.source,
        cfg.train_dataloader.dataset.target,
        cfg.val_dataloader.dataset,
    ):
        part |= dict(label_set=None, metainfo=dict(classes=names))
        part |= dict(label_table={i: i % 19 for i in range(256)})
    cfg.dump(tmp_path / 'whole.py')
    code, printed = check('--gap-images', '2')
    assert code == 0, printed
    assert '│ [class0] ' in printed
    assert '│ [/class1] ' in printed


def test_faults_come_first(check, tmp_path):
    code, printed = check('--data-root', f'source={tmp_path}/none')
    assert code == 1
    assert 'apart' not in printed


def test_entropy_of_a_network(check, tmp_path):
    model = MODELS.build(check.config.model)
    for weight in model.segmentor.decode_head.parameters():
        weight.data.zero_()
    path = tmp_path / 'uniform.pth'
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)
    words = '--gap-images', '1', '--checkpoint', path
    code, printed = check(*words)
    assert code == 0
    row = next(line for line in printed.splitlines() if 'entropy  ' in line)
    # Of source, target and validation.
    assert row.count('1.000') == 3
    assert 'the network is as sure there' in printed
    code, printed = check('--gap-images', '0', '--checkpoint', path)
    assert code == 2
    assert '--gap-images 0 compares none' in printed


def test_a_checkpoint_that_is_not_there_is_told_before_any_fault(
    check, tmp_path
):
    missing = '--data-root', f'source={tmp_path}/none'
    code, printed = check(*missing, '--checkpoint', tmp_path / 'nothere.pth')
    assert code == 2
    assert 'nothere.pth: no such checkpoint file' in printed
    there = tmp_path / 'there.pth'
    there.touch()
    code, printed = check(*missing, '--checkpoint', there)
    assert code == 1
    assert 'not compared before these faults are mended' in printed


@pytest.mark.parametrize('lack', ['model', 'train_dataloader'])
def test_a_checkpoint_that_nothing_would_be_done_with(lack):
    has = dict(model=dict(type='A'), train_dataloader=dict(a=1))
    cfg = Config(has | {lack: None})
    args = SimpleNamespace(checkpoint='a.pth', gap_images=1, config='a.py')
    with pytest.raises(ConfigError, match=f'a.py has no {lack}, so no'):
        load_tool(TOOL)['check_checkpoint'](cfg, args)
