# Copyright (c) mmuda authors.
"""What the parts of a config may hold that MMEngine takes without a look."""

import os
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
    is_number,
    optional,
    whole_number,
)
from mmuda.utils.config_ranges import (
    ASCENDING,
    BATCH,
    BEGIN,
    BETAS,
    BUILT,
    CLIPPING,
    CONSTRUCTOR,
    CONVERTIBLE,
    COUNTS,
    DATA_SET,
    DATA_SETS,
    END,
    EPSILON,
    FACTOR,
    HEAD_WEIGHTS,
    IN_ORDER,
    INDICES,
    INTERVAL,
    ITERATIONS,
    LEVEL,
    LOSS_SCALE,
    NEEDED_HOOKS,
    NORM,
    NUMBERS,
    PAIR,
    PRIORITY,
    PROBABILITY,
    RANGE,
    RATE,
    SCALE,
    SIZE,
    START,
    STATISTICS,
    STRENGTH,
    TYPED,
    WEIGHTS,
    WINDOWS,
    WORKERS,
    WORKING,
)
from mmuda.utils.names import IGNORE_ID

_Path = str | os.PathLike | None


class TrainCfg(TypedDict, total=False):
    """``train_cfg``."""

    max_iters: Annotated[Any, ITERATIONS]
    max_epochs: Annotated[Any, ITERATIONS]
    val_interval: Annotated[Any, ITERATIONS]
    val_begin: Annotated[Any, BEGIN]
    by_epoch: bool
    dynamic_intervals: (
        list[tuple[Annotated[Any, BEGIN], Annotated[Any, ITERATIONS]]] | None
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
    max_norm: Annotated[Any, NORM]
    norm_type: Annotated[Any, NORM]
    clip_value: Annotated[float, POSITIVE]


class _Rate(TypedDict, total=False):
    # None where an optimizer has a rate of its own, such as Adafactor.
    lr: Annotated[Any, RATE]


class _Optimizer(TypedDict, total=False):
    lr: Annotated[float, POSITIVE]
    momentum: Annotated[float, BELOW_ONE]
    dampening: Annotated[float, NUMBER]
    weight_decay: Annotated[float, NOT_NEGATIVE]
    betas: Annotated[list, BETAS]
    alpha: Annotated[float, BELOW_ONE]
    rho: Annotated[float, BELOW_ONE]
    eps: Annotated[Any, EPSILON]
    nesterov: bool
    amsgrad: bool


class OptimWrapper(TypedDict, total=False):
    """``optim_wrapper``, or one of its players."""

    constructor: Annotated[Any, CONSTRUCTOR]
    optimizer: _Rate
    accumulative_counts: Annotated[int, COUNT]
    clip_grad: dict | None
    paramwise_cfg: _Paramwise | None
    loss_scale: Annotated[Any, LOSS_SCALE]


class _Scheduler(TypedDict, total=False):
    begin: Annotated[Any, BEGIN]
    end: Annotated[Any, END]
    by_epoch: bool
    convert_to_iter_based: bool
    power: Annotated[float, NOT_NEGATIVE]
    eta_min: Annotated[float, NOT_NEGATIVE] | None
    eta_min_ratio: Annotated[float, SHARE] | None
    gamma: Annotated[float, POSITIVE]
    factor: Annotated[float, SHARE]
    start_factor: Annotated[float, START]
    end_factor: Annotated[float, SHARE]
    milestones: Annotated[list, ASCENDING]
    step_size: Annotated[Any, ITERATIONS]
    T_max: Annotated[Any, optional(ITERATIONS)]


# An entry of ``param_scheduler``.
Scheduler = Annotated[_Scheduler, TYPED, IN_ORDER, CONVERTIBLE]


class _Loader(TypedDict, total=False):
    batch_size: Annotated[int, BATCH]
    num_workers: Annotated[int, WORKERS]
    persistent_workers: bool
    pin_memory: bool
    drop_last: bool
    worker_init_fn: Annotated[Any, optional(BUILT)]
    multiprocessing_context: Literal['fork', 'spawn', 'forkserver'] | None
    prefetch_factor: Annotated[Any, optional(COUNT)]
    timeout: Annotated[float, NOT_NEGATIVE]
    num_batch_per_epoch: Annotated[Any, optional(COUNT)]
    sampler: dict | None
    batch_sampler: dict | None
    collate_fn: Annotated[Any, optional(BUILT)]


class DataLoader(_Loader):
    """A data loader."""

    dataset: dict


class _Hook(TypedDict, total=False):
    priority: Annotated[Any, PRIORITY]


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


_CompilationMode = Literal[
    'default',
    'reduce-overhead',
    'max-autotune',
    'max-autotune-no-cudagraphs',
]


class _Compilation(TypedDict, total=False):
    backend: str
    mode: _CompilationMode | None
    fullgraph: bool
    dynamic: bool | None
    options: dict | None
    disable: bool


class _LogProcessor(TypedDict, total=False):
    window_size: Annotated[int, COUNT]
    by_epoch: bool
    custom_cfg: list[dict] | None
    num_digits: Annotated[int, WHOLE]
    log_with_hierarchy: bool


class _Preprocessor(TypedDict, total=False):
    mean: list[float] | None
    std: list[Annotated[float, POSITIVE]] | None
    size: Annotated[Any, optional(PAIR)]
    size_divisor: Annotated[Any, optional(COUNT)]
    pad_val: float
    seg_pad_val: float
    bgr_to_rgb: bool | None
    rgb_to_bgr: bool | None


class _StrongAugmentation(TypedDict, total=False):
    strength: Annotated[float, STRENGTH]
    jitter_probability: Annotated[float, SHARE]
    blur_probability: Annotated[float, SHARE]


class _IgnoredRows(TypedDict, total=False):
    top: Annotated[int, WHOLE]
    bottom: Annotated[int, WHOLE]


class _TestCfg(TypedDict, total=False):
    mode: Literal['whole', 'slide', 'slide_flip']
    crop_size: Annotated[Any, PAIR]
    stride: Annotated[Any, PAIR]


class _WholeImages(TypedDict):
    mode: Literal['whole']


_Loaders = Annotated[DataLoader, WORKING] | None
_Evaluators = dict | list[dict | list[dict]] | None


class RunConfig(TypedDict, total=False):
    """The whole config of a run."""

    model: dict
    work_dir: _Path
    train_dataloader: _Loaders
    val_dataloader: _Loaders | list[Annotated[DataLoader, WORKING]]
    test_dataloader: _Loaders | list[Annotated[DataLoader, WORKING]]
    train_cfg: TrainCfg | None
    val_cfg: _Mode | None
    test_cfg: _Mode | None
    val_evaluator: _Evaluators
    test_evaluator: _Evaluators
    optim_wrapper: dict | None
    param_scheduler: dict | list[dict] | None
    auto_scale_lr: dict | None
    default_hooks: Annotated[dict[str, _Hook | None], NEEDED_HOOKS] | None
    custom_hooks: list[Annotated[_Hook, TYPED]] | None
    data_preprocessor: dict | None
    load_from: _Path
    resume: bool
    launcher: Literal['none', 'pytorch', 'slurm', 'mpi']
    env_cfg: _Environment
    compile: bool | _Compilation | None
    log_processor: _LogProcessor | None
    log_level: Annotated[Any, LEVEL]
    visualizer: dict | None
    vis_backends: list[dict] | None
    default_scope: str | None
    randomness: _Randomness
    experiment_name: str | None
    model_wrapper_cfg: dict | None
    find_unused_parameters: bool
    harm_report: dict | None
    source_val: dict | None


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
    'RandomCrop.crop_size': SIZE,
    'RandomCrop.cat_max_ratio': Check(
        'a number above 0 and at most 1', lambda v: SHARE.fits(v) and v > 0
    ),
    'Resize.scale': optional(SCALE),
    'Resize.scale_factor': optional(FACTOR),
    'RandomResize.scale': SCALE,
    'RandomResize.ratio_range': optional(RANGE),
    'RandomFlip.prob': optional(PROBABILITY),
    'RandomRotate.prob': SHARE,
    'PadToSize.size': PAIR,
    'ResizeToFit.scale': PAIR,
    **{
        f'PseudoLabelMargins.{side}': WHOLE
        for side in ('top', 'bottom', 'left', 'right')
    },
    'DomainDataset.source': optional(DATA_SET),
    'DomainDataset.target': optional(DATA_SET),
    'DomainDataset.labelled_target': optional(DATA_SET),
    'DomainDataset.targets': DATA_SETS,
    'ConcatDataset.datasets': DATA_SET,
    'ClassBalancedDataset.dataset': DATA_SET,
    'RareClassSampling.dataset': DATA_SET,
    'RepeatDataset.dataset': DATA_SET,
    'DomainDataset.samples': NUMBERS,
    'RareClassSampling.num_workers': WORKERS,
    # networks and losses
    'num_classes': COUNT,
    'loss_weight': NOT_NEGATIVE,
    'class_weight': optional(WEIGHTS),
    'ignore_index': optional(whole_number(-(2**31), 2**31)),
    'BaseDecodeHead.ignore_index': Check(
        '255, as all data sets of mmuda mark what is to be ignored',
        lambda v: v == IGNORE_ID,
    ),
    'dropout_ratio': SHARE,
    'BaseDecodeHead.dropout_ratio': Check(
        'a finite number of at most 1 (0 or below: none)',
        lambda v: is_number(v) and v <= 1,
    ),
    'drop_rate': SHARE,
    'drop_path_rate': SHARE,
    'thresh': optional(SHARE),
    'threshold': optional(SHARE),
    'min_kept': COUNT,
    'channels': COUNTS,
    'base_channels': COUNT,
    'size_divisor': optional(COUNT),
    'out_indices': INDICES,
    'EfficientNetLite.frozen_stages': whole_number(-1, 7),
    # methods
    'nonfinite_patience': optional(COUNT),
    'warmup_iters': WHOLE,
    'adversarial_weights': HEAD_WEIGHTS,
    'entropy_weights': optional(HEAD_WEIGHTS),
    'Entropy.weights': HEAD_WEIGHTS,
    'ClassRatioPrior.weight': NOT_NEGATIVE,
    'FeatureDistance.weight': NOT_NEGATIVE,
    'MaskedConsistency.weight': NOT_NEGATIVE,
    'MaskedConsistency.mask_ratio': BELOW_ONE,
    'MaskedConsistency.threshold': Check(
        f"{SHARE.expected}, None, or 'host'",
        lambda v: v in (None, 'host') or SHARE.fits(v),
    ),
    'pseudo_label_weight': NOT_NEGATIVE,
    'labelled_target_weight': NOT_NEGATIVE,
    'MeanTeacherHook.momentum': BELOW_ONE,
    'MeanTeacherHook.begin': WHOLE,
    'EMAHook.interval': COUNT,
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
# Dicts by the key that holds them, with or without a type; a class that is not
# of these packages, or of PyTorch, may call something else so.
PARTS: dict[str, Any] = {
    'data_preprocessor': Annotated[_Preprocessor, STATISTICS] | None,
    # The size of windows does not matter where there are none.
    'test_cfg': Annotated[_TestCfg, WINDOWS] | _WholeImages | None,
    'optimizer': _Optimizer,
    'augmentation': _StrongAugmentation | bool | None,
    'ignored_rows': _IgnoredRows | None,
    'clip_grad': Annotated[_ClipGrad, CLIPPING] | None,
    'pipeline': list[Annotated[Any, BUILT]],
    'vis_backends': list[Annotated[dict, TYPED]] | None,
}
