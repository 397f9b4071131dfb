"""Every config parses; every leaf builds its model and its optimizers."""

import re
from copy import deepcopy
from functools import cache
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from mmuda.registry import HOOKS, MODELS
from mmuda.utils.config_keys import check_config_keys

ROOT = Path(__file__).parents[1] / 'configs'
LEAVES = sorted(
    str(path.relative_to(ROOT))
    for path in ROOT.glob('*/*.py')
    # several targets: test_mtda_configs.py, test_demo_several_targets.py;
    # first and last trainings: test_cotraining_leaves.py
    if path.parts[-2] not in ('_base_', 'mtda')
    and not re.search('_g2c|_baseline_|_final_', path.name)
)


@cache
def read(leaf):
    return Config.fromfile(ROOT / leaf)


def load(leaf):
    return deepcopy(read(leaf))


def without_weights(cfg):
    cfg.model.segmentor.backbone.init_cfg = None
    for term in cfg.model.get('terms', ()):
        if term.type == 'ClassRatioPrior':
            term.ratio = [1] * 16
    return cfg


def test_there_are_leaves():
    assert len(LEAVES) >= 20


def test_each_leaf_has_a_name_of_its_own():
    """By which ``mim`` finds it."""
    names = [
        path.name for path in ROOT.rglob('*.py') if '_base_' not in path.parts
    ]
    assert [name for name in names if names.count(name) > 1] == []


def test_weights_have_addresses_that_are_read():
    """Others are refused, once a training starts."""
    schemes = re.compile(r"^[^#\n]*'([\w-]+)://", re.M)
    found = {
        scheme
        for path in ROOT.rglob('*.py')
        for scheme in schemes.findall(path.read_text())
    }
    assert found == {'https', 'package'}


@pytest.mark.parametrize('leaf', LEAVES)
def test_config_has_no_unknown_keys(leaf):
    check_config_keys(load(leaf))


@pytest.mark.parametrize('leaf', LEAVES)
def test_model_and_optimizers_build(leaf):
    cfg = without_weights(load(leaf))
    backbone = cfg.model.segmentor.backbone
    # Fewer of the same names, in a part of the time.
    if backbone.get('depth') == 101:
        backbone.depth = 50
    if backbone.type == 'MiT':
        backbone.num_layers = [1, 1, 1, 1]
    inner = backbone.get('vit', backbone)
    if inner.type == 'DINOVisionTransformer':
        width = dict(base=768, large=1024)[inner.arch]
        inner.arch = dict(embed_dims=width, num_layers=1, num_heads=8)
    model = MODELS.build(cfg.model)
    wrappers = build_optim_wrapper(model, cfg.optim_wrapper)
    expected = {'segmentor'}
    if cfg.model.type == 'AdvEnt':
        expected.add('discriminator')
    assert set(wrappers.optim_wrappers) == expected


@pytest.mark.parametrize('leaf', LEAVES)
def test_classes_agree_between_data_and_network(leaf):
    cfg = load(leaf)
    classes = {
        'cityscapes19': 19,
        'synthia16': 16,
        'idda16': 16,
        'carla_camvid10': 10,
        'seven_class': 7,
        'loveda7': 7,
    }
    default = {
        'CityscapesLabelIdsDataset': 'cityscapes19',
        'CamVidDataset': 'carla_camvid10',
        'MapillaryVistasDataset': 'cityscapes19',
        'BDD100KDataset': 'cityscapes19',
        'ACDCDataset': 'cityscapes19',
        'DarkZurichDataset': 'cityscapes19',
    }
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        dataset = loader.dataset
        label_set = dataset.get('label_set') or default[dataset.type]
        head = cfg.model.segmentor.decode_head
        assert classes[label_set] == head.num_classes


@pytest.mark.parametrize('leaf', LEAVES)
def test_schedule_and_hooks_fit(leaf):
    cfg = load(leaf)
    ends = [part.end for part in cfg.param_scheduler]
    assert max(ends) > cfg.train_cfg.max_iters
    for hook in cfg.custom_hooks:
        HOOKS.build(hook)


@pytest.mark.parametrize('leaf', LEAVES)
def test_target_is_there_without_labels(leaf):
    cfg = load(leaf)
    target = cfg.train_dataloader.dataset.target
    assert (target is None) == (cfg.model.type == 'SourceOnly')
    if target is not None:
        types = [transform.type for transform in target.pipeline]
        assert 'seg_map_path' not in target.data_prefix
        assert 'LoadLabels' not in types


def test_gta2cs_is_advent_on_resnet_101():
    cfg = load('advent/gta2cs.py')
    assert cfg.model.type == 'AdvEnt'
    assert cfg.model.segmentor.backbone.depth == 101


def test_published_rate_config_multiplies_the_backbone_rate():
    cfg = without_weights(load('advent/gta2cs_published_rate.py'))
    model = MODELS.build(cfg.model)
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)['segmentor']
    rates = {
        id(p): group['lr'] / 2.5e-4
        for group in wrapper.param_groups
        for p in group['params']
    }
    backbone = model.segmentor.backbone
    assert [
        round(rates[id(p)])
        for p in (
            backbone.conv1.weight,
            backbone.layer3[5].conv2.weight,
            backbone.layer3[0].downsample[0].weight,
            model.segmentor.decode_head.convs[0].weight,
        )
    ] == [1, 3, 4, 10]
