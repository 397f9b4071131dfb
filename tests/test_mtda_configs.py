"""Configs with several targets: they parse, build and agree with the data."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from mmuda.registry import MODELS
from mmuda.utils.config_keys import check_config_keys

ROOT = Path(__file__).parents[1] / 'configs' / 'mtda'
LEAVES = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob('*/*.py'))
TARGETS = dict(
    g2ci={'cityscapes', 'idd'},
    g2cm={'cityscapes', 'mapillary'},
    g2mi={'mapillary', 'idd'},
    g2cmi={'cityscapes', 'mapillary', 'idd'},
)


def load(leaf):
    return Config.fromfile(ROOT / leaf)


def test_there_are_leaves():
    assert len(LEAVES) == 8


@pytest.mark.parametrize('leaf', LEAVES)
def test_config_has_no_unknown_keys(leaf):
    check_config_keys(load(leaf))


@pytest.mark.parametrize('leaf', LEAVES)
def test_model_and_optimizers_build(leaf):
    cfg = load(leaf)
    cfg.model.segmentor.backbone.update(init_cfg=None, depth=50)
    wrappers = build_optim_wrapper(
        MODELS.build(cfg.model), cfg.optim_wrapper
    ).optim_wrappers
    discriminators = [name for name in wrappers if name != 'segmentor']
    count = len(cfg.model.targets)
    expected = count if cfg.model.type == 'MTKT' else count + (1, 3)[count > 2]
    assert len(discriminators) == expected


@pytest.mark.parametrize('leaf', LEAVES)
def test_targets_are_those_of_the_name(leaf):
    cfg = load(leaf)
    expected = TARGETS[Path(leaf).stem]
    assert set(cfg.train_dataloader.dataset.targets) == expected
    assert set(cfg.model.targets) == expected
    assert {metric.prefix for metric in cfg.val_evaluator} == expected


@pytest.mark.parametrize('leaf', LEAVES)
def test_all_data_sets_have_seven_classes(leaf):
    cfg = load(leaf)
    train = cfg.train_dataloader.dataset
    datasets = [train.source, *train.targets.values()]
    datasets += [loader.dataset for loader in cfg.val_dataloader]
    assert {dataset.label_set for dataset in datasets} == {'seven_class'}
    assert cfg.model.segmentor.decode_head.num_classes == 7


@pytest.mark.parametrize('leaf', LEAVES)
def test_each_target_is_validated_on_its_own_data(leaf):
    cfg = load(leaf)
    targets = cfg.train_dataloader.dataset.targets
    for metric, loader in zip(
        cfg.val_evaluator, cfg.val_dataloader, strict=True
    ):
        assert loader.dataset.type == targets[metric.prefix].type


@pytest.mark.parametrize('leaf', LEAVES)
def test_targets_need_no_labels(leaf):
    for target in load(leaf).train_dataloader.dataset.targets.values():
        types = [transform.type for transform in target.pipeline]
        assert 'seg_map_path' not in target.data_prefix
        assert 'LoadLabels' not in types
