"""Values of configs are checked where their keys are."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import mmseg
import numpy as np
import pytest
from faulty_values import (
    CASES,
    INF,
    LOADER,
    NAN,
    NETWORK,
    PLAYER,
    POLY,
    SOURCE,
)
from mmengine.config import Config
from mmengine.hooks import EMAHook, Hook
from mmengine.model import ExponentialMovingAverage as EMA
from mmengine.optim import OptimWrapper, ReduceOnPlateauLR
from torch import nn
from torch.optim import SGD

from mmuda.utils.checks import COUNT
from mmuda.utils.config_values import (
    check_config,
    check_fields,
    parameter_hints,
)
from mmuda.utils.errors import ConfigError
from mmuda.utils.value_types import find_fault

CONFIGS = Path(__file__).parents[2] / 'configs'
BACKBONE = 'model.segmentor.backbone'
AMP = dict(type='AmpOptimWrapper', optimizer=dict(type='SGD', lr=0.1))
LEAVES = sorted(
    str(path.relative_to(CONFIGS))
    for path in CONFIGS.rglob('*.py')
    if '_base_' not in path.parts
)


@pytest.fixture(scope='module')
def base():
    return Config.fromfile(CONFIGS / 'demo' / 'demo_advent_gta2cs.py')


def changed(base, key, value):
    cfg = copy.deepcopy(base._cfg_dict)
    *folders, last = key.split('.')
    part = cfg
    for folder in folders:
        if folder not in part:
            part[folder] = {}
        part = part[folder]
    part[last] = value
    return cfg


@pytest.mark.parametrize(('key', 'value'), CASES)
def test_faulty_value_is_named_by_its_place(base, key, value):
    with pytest.raises(ConfigError) as raised:
        check_config(changed(base, key, value))
    message = str(raised.value)
    parent = key.rpartition('.')[0]
    assert message.startswith((key, f'{parent}: '))
    assert '\n' not in message
    assert len(message) < 300


def test_there_are_many_faulty_values():
    assert len(CASES) > 150


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('train_cfg.max_iters', 0, '=0: must be a whole number above 0'),
        (f'{PLAYER}.optimizer.lr', NAN, '=nan: must be a finite number'),
        ('train_cfg.val_interval', -1, '=-1: must be a whole number above 0'),
        (f'{PLAYER}.accumulative_counts', 0, '=0: must be a whole number'),
        (
            'model.data_preprocessor.std',
            [1, 0, 1],
            '[1]=0: must be a finite number above 0',
        ),
        (
            'model.segmentor.backbone',
            dict(type='TIMMBackbone', checkpoint_path='a.pth'),
            ".checkpoint_path='a.pth': must be left out; init_cfg=",
        ),
        ('model.gan', 'hinge', "='hinge': must be one of 'vanilla', 'least_"),
        (
            f'{NETWORK}.ignore_index',
            0,
            '=0: must be 255, as all data sets of ',
        ),
    ],
)
def test_message_says_what_the_value_must_be(base, key, value, message):
    with pytest.raises(ConfigError) as raised:
        check_config(changed(base, key, value))
    assert str(raised.value).startswith(key + message)


@pytest.mark.parametrize(
    'value',
    [
        dict(max_normm=1),
        dict(max_norm=1, clip_value=1),
        dict(norm_type=2),
        dict(type='value', max_norm=1),
    ],
)
def test_clipping_that_would_fail_at_the_first_step(base, value):
    with pytest.raises(ConfigError, match=r'^optim_wrapper\.segmentor\.clip_'):
        check_config(changed(base, f'{PLAYER}.clip_grad', value))


def test_windows_leave_nothing_out(base):
    key = 'model.segmentor.test_cfg'
    windows = dict(mode='slide', crop_size=(64, 64), stride=(64, 65))
    with pytest.raises(ConfigError, match='^model.segmentor.test_cfg: stride'):
        check_config(changed(base, key, windows))
    check_config(changed(base, key, windows | dict(stride=[64, 64])))


@pytest.mark.parametrize('left_out', ['crop_size', 'stride'])
def test_sliding_needs_the_size_of_windows(base, left_out):
    windows = dict(mode='slide', crop_size=(64, 64), stride=(64, 64))
    del windows[left_out]
    with pytest.raises(ConfigError, match="are needed by mode='slide'"):
        check_config(changed(base, 'model.segmentor.test_cfg', windows))


def test_values_that_need_each_other(base):
    cfg = changed(base, 'train_dataloader.num_workers', 0)
    cfg['train_dataloader']['persistent_workers'] = True
    with pytest.raises(ConfigError, match='^train_dataloader: persistent_wor'):
        check_config(cfg)
    cfg['train_dataloader']['persistent_workers'] = False
    check_config(cfg)


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('train_cfg.max_iters', 1),
        ('train_dataloader.num_workers', 256),
        (f'{PLAYER}.clip_grad', dict(max_norm=35, norm_type=2)),
        (f'{PLAYER}.clip_grad', None),
        (f'{PLAYER}.loss_scale', 'dynamic'),
        (f'{PLAYER}.optimizer', dict(type='AdamW', lr=1, betas=[0, 0.99])),
        ('default_hooks.checkpoint.interval', -1),
        ('default_hooks.visualization', None),
        ('param_scheduler', None),
        ('param_scheduler', POLY),
        ('param_scheduler', dict(segmentor=[POLY], discriminator=[POLY])),
        ('randomness.seed', None),
        ('randomness.seed', 2**31 - 1),
        ('model.warmup_iters', 0),
        (f'{NETWORK}.loss_decode.class_weight', [0, 1.5]),
        ('val_dataloader', None),
        ('load_from', 'a.pth'),
        (f'{SOURCE}.data_root', None),
        ('own_key', object()),
        # what MMEngine and MMSegmentation take beyond their annotations
        ('train_cfg.max_iters', 40e3),
        ('train_cfg.val_interval', 2e3),
        ('train_cfg.dynamic_intervals', [(1e3, 500.0)]),
        ('param_scheduler', dict(type='PolyLR', begin=0.0, end=40e3)),
        ('param_scheduler', dict(type='StepLR', step_size=1e3, end=INF)),
        ('param_scheduler', dict(type='MultiStepLR', milestones=[2e3, 3e3])),
        ('param_scheduler', dict(type='CosineAnnealingLR', T_max=40e3)),
        ('model.data_preprocessor.mean', np.array([1.0, 2.0, 3.0])),
        ('model.data_preprocessor.bgr_to_rgb', None),
        (NETWORK, dict(type='FCNHead', dropout_ratio=-1)),
        (NETWORK, dict(type='FCNHead', ignore_index=255)),
        ('model.segmentor.test_cfg', dict(mode='whole', crop_size=256)),
        (PLAYER, dict(AMP, loss_scale=512.0)),
        (PLAYER, dict(AMP, loss_scale=dict(init_scale=2.0**16))),
        (f'{PLAYER}.clip_grad', dict(max_norm=INF, norm_type=INF)),
        (
            f'{PLAYER}.optimizer',
            dict(type='Adan', lr=1, betas=(0.98, 0.92, 0.99)),
        ),
        (
            f'{PLAYER}.optimizer',
            dict(type='Adafactor', lr=1e-3, eps=(1e-30, 1e-3)),
        ),
        ('param_scheduler', dict(type='MultiStepLR', milestones=(3, 3))),
        ('param_scheduler', dict(type='PolyLRRatio', eta_min_ratio=0.05)),
        ('param_scheduler', dict(type='OneCycleLR', eta_max=[0.1, 0.2])),
        ('param_scheduler', dict(type='ReduceOnPlateauLR', threshold=1.5)),
        ('custom_hooks', [dict(type='EMAHook', ema_type=EMA, priority=49)]),
        ('custom_hooks', [dict(type=EMAHook, begin_iter=5)]),
        (f'{SOURCE}.pipeline', [dict(type='Resize', scale_factor=(0.5, 2))]),
        (f'{SOURCE}.pipeline', [dict(type='Resize', scale=(512, -1))]),
        (
            f'{SOURCE}.pipeline',
            [dict(type='PhotoMetricDistortion', brightness_delta=32.5)],
        ),
        (f'{SOURCE}.pipeline', [print]),
        (f'{BACKBONE}', dict(type='STDCNet', channels=(32, 64))),
        (f'{BACKBONE}', dict(type='VisionTransformer', out_indices=-1)),
        ('model.segmentor.test_cfg.mode', 'slide_flip'),
        (f'{LOADER}.collate_fn', print),
        (f'{LOADER}.sampler', None),
        ('log_level', 'WARN'),
        ('log_level', 20),
    ],
)
def test_right_value_passes(base, key, value):
    check_config(changed(base, key, value))


@pytest.mark.parametrize('leaf', LEAVES)
def test_shipped_config_passes(leaf):
    check_config(Config.fromfile(CONFIGS / leaf))


def test_configs_of_mmseg_pass():
    root = Path(mmseg.__file__).parent / '.mim' / 'configs'
    files = [*root.glob('_base_/*/*.py'), *sorted(root.glob('*/*.py'))[::12]]
    assert len(files) > 100
    refused = {}
    for file in files:
        try:
            check_config(Config.fromfile(file))
        except ImportError:
            # Some take parts of packages that need not be installed.
            continue
        except ConfigError as error:
            refused[file.name] = str(error)
    # Windows need two sizes: these bases are completed by the leaves.
    unfinished = {name for name in refused if '_unet_s5-d16' in name}
    assert refused.keys() == unfinished


class Parent:
    def __init__(self, width: int, mode='a', **kwargs):
        pass


class Child(Parent):
    def __init__(self, depth: float | None = None, **kwargs):
        super().__init__(**kwargs)


def test_hints_are_followed_to_parents_and_plain_elsewhere():
    # Of another package than ours: what is not plain says nothing.
    hints = parameter_hints(Child)
    assert hints['depth'][1] is None
    assert find_fault(None, hints['depth'][0]) is None
    assert find_fault('x', hints['depth'][0]).expected == 'a number or None'
    assert find_fault('x', hints['width'][0]).expected == 'a number'
    assert hints['mode'] == (Any, 'a')
    assert set(hints) == {'depth', 'width', 'mode'}


class OwnHook(Hook):
    """Names as ours, with another meaning."""

    def __init__(self, interval: float = 1.0, threshold=None, **kwargs):
        pass


class OwnLoss(nn.Module):
    def __init__(self, loss_weight=1.0, reach: float = 1.0, test_cfg=None):
        super().__init__()


class OwnWrapper(OptimWrapper):
    """Clips by other options than MMEngine's."""


class OwnSchedule(ReduceOnPlateauLR):
    def __init__(self, patience: int = 3, **kwargs):
        super().__init__(patience=patience, **kwargs)


class OwnOptimizer(SGD):
    def __init__(self, params, lr=None, momentum=(0.9, 0.99), **kwargs):
        super().__init__(params, **kwargs)


class OwnPreprocessor(nn.Module):
    def __init__(self, mean=None, size=None):
        super().__init__()


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('custom_hooks', [dict(type=OwnHook, interval=0.5, threshold=50)]),
        ('custom_hooks', [dict(type=OwnHook, channels='all')]),
        (
            f'{NETWORK}.loss_decode',
            dict(type=OwnLoss, loss_weight=-1, reach=INF, test_cfg=3),
        ),
        (
            'model.data_preprocessor',
            dict(type=OwnPreprocessor, mean=dict(source=[1]), size=512),
        ),
        (
            PLAYER,
            dict(
                type=OwnWrapper,
                optimizer=dict(type='SGD', lr=0.1),
                clip_grad=dict(quantile=0.9),
            ),
        ),
        (f'{PLAYER}.optimizer', dict(type=OwnOptimizer, lr=None)),
        ('param_scheduler', [dict(type=OwnSchedule, power='fast', gamma=-1)]),
        (f'{PLAYER}.optimizer', dict(type=OwnOptimizer, momentum=(0, 1))),
    ],
)
def test_own_class_may_use_a_name_in_another_sense(base, key, value):
    check_config(changed(base, key, value))


def test_own_optimizer_needs_a_rate_that_is_a_number(base):
    own = dict(type=OwnOptimizer, lr=NAN)
    with pytest.raises(ConfigError, match=r'lr=nan: must be a finite number'):
        check_config(changed(base, f'{PLAYER}.optimizer', own))


def test_own_class_keeps_what_its_plain_annotations_say(base):
    hooks = [dict(type=OwnHook, interval='x')]
    with pytest.raises(ConfigError, match=r"interval='x': must be a number"):
        check_config(changed(base, 'custom_hooks', hooks))


def test_range_holds_in_classes_that_are_derived_from_others(base):
    own = dict(type=OwnSchedule, threshold=1.5, factor=0.1)
    check_config(changed(base, 'param_scheduler', [own]))
    with pytest.raises(ConfigError, match=r'threshold=-1: must be a finite'):
        check_config(
            changed(base, 'param_scheduler', [own | dict(threshold=-1)])
        )


@dataclass
class Options:
    count: Annotated[int, COUNT]
    name: str = None


def test_fields_of_a_dataclass():
    check_fields(Options, dict(count=1, name=None, more=1), 'options')
    with pytest.raises(ConfigError, match=r'^options\.count=0: must be a who'):
        check_fields(Options, dict(count=0), 'options')
