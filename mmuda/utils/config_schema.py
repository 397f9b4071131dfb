# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""What the parts of a config may hold that MMEngine takes without a look."""

import os
from collections.abc import Mapping
from operator import le
from typing import Annotated, Any, Literal, TypedDict

from mmuda.utils.checks import (
    BELOW_ONE,
    COUNT,
    NOT_NEGATIVE,
    NUMBER,
    POSITIVE,
    SEED,
    SHARE,
    WHOLE,
    Check,
    is_whole,
    optional,
    whole_number,
)

INTERVAL = Check(
    'a whole number above 0, or -1 for never',
    lambda v: is_whole(v) and (v > 0 or v == -1),
)
# Each worker is a process: a slip of the pen would bring the machine down.
_WORKERS = whole_number(0, 256)
_BATCH = whole_number(1, 65536)
_WORKING = Check(
    'persistent_workers=True, prefetch_factor and timeout need num_workers '
    'above 0',
    lambda loader: (
        loader.get('num_workers', 0)
        or not (loader.get('persistent_workers') or loader.get('timeout'))
        and loader.get('prefetch_factor') is None
    ),
)
_IN_ORDER = Check(
    'begin must be below end',
    lambda part: part.get('begin', 0) < part.get('end', float('inf')),
)
_SIZE = Check(
    'a whole number above 0, or a list of two',
    lambda v: COUNT.fits(v) or is_pair(v, COUNT),
)
_PAIR = Check(
    'a list of two whole numbers above 0', lambda v: is_pair(v, COUNT)
)
_SCALE = Check(
    'a number above 0, or a list of two whole numbers above 0 (one may be -1)',
    lambda v: (
        POSITIVE.fits(v)
        or is_pair(v, INTERVAL)
        and max(v) > 0
        or isinstance(v, list | tuple)
        and len(v) > 0
        and all(is_pair(part, COUNT) for part in v)
    ),
)
_FACTOR = Check(
    'a number above 0, or a list of two',
    lambda v: POSITIVE.fits(v) or is_pair(v, POSITIVE),
)
_RANGE = Check(
    'a list of two numbers above 0, the smaller one first',
    lambda v: is_pair(v, POSITIVE) and v[0] <= v[1],
)
# Of Adam two, of others such as Adan three.
_BETAS = Check(
    'a list of two or more numbers of at least 0 and below 1',
    lambda v: len(v) > 1 and all(map(BELOW_ONE.fits, v)),
)
# Adafactor has two.
_EPSILON = Check(
    'a finite number of at least 0, or a list of such',
    lambda v: (
        NOT_NEGATIVE.fits(v)
        or isinstance(v, list | tuple)
        and all(part is None or NOT_NEGATIVE.fits(part) for part in v)
    ),
)
# Infinity clips nothing (the norm is logged), or names the largest norm.
_NORM = Check(
    'a number above 0', lambda v: POSITIVE.fits(v) or v == float('inf')
)
_BUILT = Check('dict(...)', lambda v: isinstance(v, Mapping) or callable(v))
_PROBABILITY = Check(
    'a number in [0, 1], or a list of such with a sum of at most 1',
    lambda v: SHARE.fits(v) or all(map(SHARE.fits, v)) and 0 < sum(v) <= 1,
)
_ASCENDING = Check(
    'a list of ascending whole numbers',
    lambda v: list(v) == sorted(v) and all(map(WHOLE.fits, v)),
)
_COUNTS = Check(
    'a whole number above 0, or a list of such',
    lambda v: COUNT.fits(v) or len(v) > 0 and all(map(COUNT.fits, v)),
)
_INDICES = Check(
    'a list of whole numbers, or one',
    lambda v: is_whole(v) or all(map(is_whole, v)),
)
_WEIGHTS = Check(
    'a list of numbers of at least 0, or a file',
    lambda v: isinstance(v, str) or all(map(NOT_NEGATIVE.fits, v)),
)
_STATISTICS = Check(
    'mean and std must be of one length',
    lambda p: len(p.get('mean') or ()) == len(p.get('std') or ()),
)
# A wrong key is found only when the first gradients are clipped.
_CLIPPED = {
    'norm': ({'max_norm'}, {'norm_type', 'error_if_nonfinite', 'foreach'}),
    'value': ({'clip_value'}, {'foreach'}),
}
_CLIPPING = Check(
    'needs max_norm and takes norm_type, error_if_nonfinite and foreach; or '
    "type='value' needs clip_value and takes foreach",
    lambda part: not part or _is_clipping(**part),
)
_WINDOWS = Check(
    'stride must be at most crop_size, or pixels between windows are left out',
    lambda part: (
        not {'stride', 'crop_size'} <= {*part}
        or all(map(le, part['stride'], part['crop_size']))
    ),
)
_LOSS_SCALE = Check(
    "'dynamic', a number above 0 or dict(...)",
    lambda v: v == 'dynamic' or isinstance(v, Mapping) or POSITIVE.fits(v),
)
_LEVELS = ('CRITICAL', 'ERROR', 'WARNING', 'INFO', 'DEBUG', 'NOTSET')
_LEVEL = Check(
    'one of ' + ', '.join(map(repr, _LEVELS)),
    lambda v: v in (*_LEVELS, 'WARN', 'FATAL', 10, 20, 30, 40, 50),
)
_Path = str | os.PathLike | None


def is_pair(value: Any, check: Check) -> bool:
    """Whether a value is a list of two that each fit a check."""
    pair = isinstance(value, list | tuple) and len(value) == 2
    return pair and all(map(check.fits, value))


def _is_clipping(type: str = 'norm', **options: Any) -> bool:
    needed, more = _CLIPPED[type]
    return needed <= {*options} <= needed | more


class TrainCfg(TypedDict, total=False):
    """``train_cfg``."""

    max_iters: Annotated[int, COUNT]
    max_epochs: Annotated[int, COUNT]
    val_interval: Annotated[int, COUNT]
    val_begin: Annotated[int, WHOLE]
    by_epoch: bool
    dynamic_intervals: (
        list[tuple[Annotated[int, WHOLE], Annotated[int, COUNT]]] | None
    )


class _Mode(TypedDict, total=False):
    fp16: bool


class _Multipliers(TypedDict, total=False):
    lr_mult: Annotated[float, NOT_NEGATIVE]
    decay_mult: Annotated[float, NOT_NEGATIVE]


class _Paramwise(TypedDict, total=False):
    custom_keys: dict[str, _Multipliers]
    bias_lr_mult: Annotated[float, NOT_NEGATIVE]
    bias_decay_mult: Annotated[float, NOT_NEGATIVE]
    norm_decay_mult: Annotated[float, NOT_NEGATIVE]
    dwconv_decay_mult: Annotated[float, NOT_NEGATIVE]
    bypass_duplicate: bool


class _ClipGrad(TypedDict, total=False):
    type: Literal['norm', 'value']
    max_norm: Annotated[Any, _NORM]
    norm_type: Annotated[Any, _NORM]
    clip_value: Annotated[float, POSITIVE]


class _Optimizer(TypedDict, total=False):
    lr: Annotated[float, POSITIVE]
    momentum: Annotated[float, BELOW_ONE]
    dampening: Annotated[float, NUMBER]
    weight_decay: Annotated[float, NOT_NEGATIVE]
    betas: Annotated[list, _BETAS]
    alpha: Annotated[float, BELOW_ONE]
    rho: Annotated[float, BELOW_ONE]
    eps: Annotated[Any, _EPSILON]
    nesterov: bool
    amsgrad: bool


class OptimWrapper(TypedDict, total=False):
    """``optim_wrapper``, or one of its players."""

    optimizer: _Optimizer
    accumulative_counts: Annotated[int, COUNT]
    clip_grad: Annotated[_ClipGrad, _CLIPPING] | None
    paramwise_cfg: _Paramwise | None
    loss_scale: Annotated[Any, _LOSS_SCALE]


class _Scheduler(TypedDict, total=False):
    begin: Annotated[int, WHOLE]
    end: Annotated[int, COUNT]
    by_epoch: bool
    convert_to_iter_based: bool
    power: Annotated[float, NOT_NEGATIVE]
    eta_min: Annotated[float, NOT_NEGATIVE] | None
    eta_min_ratio: Annotated[float, SHARE] | None
    gamma: Annotated[float, POSITIVE]
    factor: Annotated[float, SHARE]
    start_factor: Annotated[float, SHARE]
    end_factor: Annotated[float, SHARE]
    milestones: Annotated[list, _ASCENDING]
    step_size: Annotated[int, COUNT]
    T_max: Annotated[int, COUNT] | None


# An entry of ``param_scheduler``.
Scheduler = Annotated[_Scheduler, _IN_ORDER]


class _Loader(TypedDict, total=False):
    batch_size: Annotated[int, _BATCH]
    num_workers: Annotated[int, _WORKERS]
    persistent_workers: bool
    pin_memory: bool
    drop_last: bool
    prefetch_factor: Annotated[Any, optional(COUNT)]
    timeout: Annotated[float, NOT_NEGATIVE]
    num_batch_per_epoch: Annotated[Any, optional(COUNT)]
    sampler: dict | None
    batch_sampler: dict | None
    collate_fn: Annotated[Any, optional(_BUILT)]


class DataLoader(_Loader):
    """A data loader."""

    dataset: dict


class _Randomness(TypedDict, total=False):
    seed: Annotated[Any, optional(SEED)]
    deterministic: bool
    diff_rank_seed: bool


class _Processes(TypedDict, total=False):
    mp_start_method: Literal['fork', 'spawn', 'forkserver']
    opencv_num_threads: Annotated[int, WHOLE]


class _Environment(TypedDict, total=False):
    cudnn_benchmark: bool
    mp_cfg: _Processes
    dist_cfg: dict


class _LogProcessor(TypedDict, total=False):
    window_size: Annotated[int, COUNT]
    by_epoch: bool
    custom_cfg: list[dict] | None
    num_digits: Annotated[int, WHOLE]
    log_with_hierarchy: bool


class _Preprocessor(TypedDict, total=False):
    mean: list[float] | None
    std: list[Annotated[float, POSITIVE]] | None
    size: Annotated[Any, optional(_PAIR)]
    size_divisor: Annotated[Any, optional(COUNT)]
    pad_val: float
    seg_pad_val: float
    bgr_to_rgb: bool
    rgb_to_bgr: bool


class _TestCfg(TypedDict, total=False):
    mode: Literal['whole', 'slide', 'slide_flip']
    crop_size: Annotated[Any, _PAIR]
    stride: Annotated[Any, _PAIR]


_Loaders = Annotated[DataLoader, _WORKING] | None
_Evaluators = dict | list[dict | list[dict]] | None


class RunConfig(TypedDict, total=False):
    """The whole config of a run."""

    model: dict
    work_dir: _Path
    train_dataloader: _Loaders
    val_dataloader: _Loaders | list[Annotated[DataLoader, _WORKING]]
    test_dataloader: _Loaders | list[Annotated[DataLoader, _WORKING]]
    train_cfg: TrainCfg | None
    val_cfg: _Mode | None
    test_cfg: _Mode | None
    val_evaluator: _Evaluators
    test_evaluator: _Evaluators
    optim_wrapper: dict | None
    param_scheduler: dict | list[dict] | None
    auto_scale_lr: dict | None
    default_hooks: dict[str, dict | None] | None
    custom_hooks: list[dict] | None
    data_preprocessor: dict | None
    load_from: _Path
    resume: bool
    launcher: Literal['none', 'pytorch', 'slurm', 'mpi']
    env_cfg: _Environment
    log_processor: _LogProcessor | None
    log_level: Annotated[Any, _LEVEL]
    visualizer: dict | None
    vis_backends: list[dict] | None
    default_scope: str | None
    randomness: _Randomness
    experiment_name: str | None
    model_wrapper_cfg: dict | None
    find_unused_parameters: bool


# Ranges of parameters of classes: of one (Class.parameter), or of all those
# of packages whose parameters of this name mean the same.
PACKAGES = ('mmuda', 'mmengine', 'mmcv', 'mmseg')
PARAMETERS: dict[str, Check] = {
    # timm would unpickle the file without a look at what it holds.
    'TIMMBackbone.checkpoint_path': Check(
        "left out; init_cfg=dict(type='Pretrained', checkpoint=...) reads it",
        lambda v: not v,
    ),
    # data
    'RandomCrop.crop_size': _SIZE,
    'RandomCrop.cat_max_ratio': Check(
        'a number above 0 and at most 1', lambda v: SHARE.fits(v) and v > 0
    ),
    'Resize.scale': optional(_SCALE),
    'Resize.scale_factor': optional(_FACTOR),
    'RandomResize.scale': _SCALE,
    'RandomResize.ratio_range': optional(_RANGE),
    'RandomFlip.prob': optional(_PROBABILITY),
    'RandomRotate.prob': SHARE,
    'PadToSize.size': _PAIR,
    'ResizeToFit.scale': _PAIR,
    'DomainDataset.samples': Check(
        'dict(...) of whole numbers above 0',
        lambda v: v is None or all(map(COUNT.fits, v.values())),
    ),
    'RareClassSampling.num_workers': _WORKERS,
    # networks and losses
    'num_classes': COUNT,
    'loss_weight': NOT_NEGATIVE,
    'class_weight': optional(_WEIGHTS),
    'ignore_index': optional(whole_number(-(2**31), 2**31)),
    'dropout_ratio': SHARE,
    'drop_rate': SHARE,
    'drop_path_rate': SHARE,
    'thresh': optional(SHARE),
    'threshold': optional(SHARE),
    'min_kept': COUNT,
    'channels': _COUNTS,
    'base_channels': COUNT,
    'size_divisor': optional(COUNT),
    'out_indices': _INDICES,
    # methods
    'nonfinite_patience': optional(COUNT),
    'warmup_iters': WHOLE,
    'ClassRatioPrior.weight': NOT_NEGATIVE,
    'pseudo_label_weight': NOT_NEGATIVE,
    'MeanTeacherHook.momentum': BELOW_ONE,
    'MeanTeacherHook.begin': WHOLE,
    # schedules, in units of what is watched
    'ReduceOnPlateauParamScheduler.threshold': NOT_NEGATIVE,
    # hooks
    'interval': INTERVAL,
    'max_keep_ckpts': INTERVAL,
    'keep_rounds': INTERVAL,
    'agreement_interval': INTERVAL,
    'max_height': COUNT,
    'SegLocalVisualizer.alpha': SHARE,
    'LegendVisualizer.alpha': SHARE,
}
# Dicts by the key that holds them, with or without a type.
PARTS: dict[str, Any] = {
    'data_preprocessor': Annotated[_Preprocessor, _STATISTICS] | None,
    'test_cfg': Annotated[_TestCfg, _WINDOWS] | None,
    'pipeline': list[Annotated[Any, _BUILT]],
}
