"""Configs named by the package that holds them."""

import subprocess

import pytest
from demo_data import ROOT
from mmengine.config import Config
from mmengine.hub import get_config

from mmuda.registry import MODELS
from mmuda.utils.config import load_config
from mmuda.utils.errors import ConfigError


@pytest.fixture(autouse=True)
def nothing_is_installed(monkeypatch):
    def refuse(command, *args, **kwargs):
        raise AssertionError(f'runs {command}')

    monkeypatch.setattr(subprocess, 'check_call', refuse)


def leaf(folder, *bases, text=''):
    path = folder / 'leaf.py'
    path.write_text(f'_base_ = {[*bases]}\n{text}\n')
    return path


def test_a_leaf_inherits_from_the_installed_mmuda(tmp_path):
    base = 'mmuda::advent/gta2cs.py'
    path = leaf(tmp_path, base, text='model = dict(warmup_iters=7)')
    cfg = load_config(path)
    assert cfg.model.pop('warmup_iters') == 7
    for part in (cfg.model, *cfg.model.values()):
        if isinstance(part, dict):
            assert part.pop('_scope_', 'mmuda') == 'mmuda'
    assert cfg.model == load_config(ROOT / 'configs/advent/gta2cs.py').model


def test_a_setting_of_the_installed_mmuda_is_changed(tmp_path):
    base = 'mmuda::mtda/mtkt_deeplabv2-r101_g2cmi.py'
    cfg = load_config(leaf(tmp_path, base, text="setting = 'i2cm'"))
    assert [m.prefix for m in cfg.val_evaluator] == ['cityscapes', 'mapillary']
    assert cfg.train_dataloader.dataset.source.type == 'IDDDataset'
    assert list(cfg.train_dataloader.dataset.targets) == cfg.model.targets
    cfg = load_config(
        leaf(tmp_path, 'mmuda::advent/gta2cs.py'), {'setting': 'i2cm'}
    )
    assert [m.prefix for m in cfg.val_evaluator] == ['cityscapes', 'mapillary']


def test_a_network_of_mmseg_is_inherited(tmp_path):
    base = 'mmseg::_base_/models/segformer_mit-b0.py'
    cfg = Config.fromfile(leaf(tmp_path, base))
    cfg.model.data_preprocessor.type = 'SegDataPreProcessor'
    cfg.model.decode_head.norm_cfg.type = 'BN'
    model = MODELS.build(cfg.model)
    assert model.decode_head.num_classes == 19
    assert type(model).__module__.startswith('mmseg.')


@pytest.mark.parametrize(
    ('name', 'kind'),
    [
        ('mmuda::advent/gta2cs.py', 'AdvEnt'),
        (
            'mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py',
            'EncoderDecoder',
        ),
    ],
)
def test_the_hub_finds_what_is_installed(name, kind):
    assert get_config(name).model.type == kind


@pytest.mark.parametrize(
    ('base', 'message'),
    [
        ('mmuda::advent/gta2sc.py', 'gta2sc'),
        ('mmuda2::advent/gta2cs.py', 'mmuda2'),
        ('mmrotate::rotated/x.py', 'mmrotate is not installed'),
    ],
)
def test_a_base_that_is_nowhere_is_one_line(tmp_path, base, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(leaf(tmp_path, base))
    assert '\n' not in str(caught.value)
