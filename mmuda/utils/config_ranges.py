# Copyright (c) mmuda authors.
"""Ranges of the values of a config that MMEngine takes without a look."""

from collections.abc import Mapping, Sequence
from operator import le
from typing import Any

from mmengine.runner.priority import Priority
from torch.utils.data import Dataset

from mmuda.utils.checks import (
    BELOW_ONE,
    COUNT,
    NOT_NEGATIVE,
    POSITIVE,
    SHARE,
    Check,
    is_number,
    is_whole,
    whole_number,
)

INTERVAL = Check(
    'a whole number above 0, or -1 for never',
    lambda v: is_whole(v) and (v > 0 or v == -1),
)
# Each worker is a process: a slip of the pen would bring the machine down.
WORKERS = whole_number(0, 256)
BATCH = whole_number(1, 65536)
WORKING = Check(
    'persistent_workers=True, prefetch_factor, timeout and '
    'multiprocessing_context need num_workers above 0',
    lambda loader: (
        loader.get('num_workers', 0)
        or not (loader.get('persistent_workers') or loader.get('timeout'))
        and loader.get('prefetch_factor') is None
        and loader.get('multiprocessing_context') is None
    ),
)
# MMEngine counts iterations in floats, too, such as 40e3.
ITERATIONS = Check(
    'a whole number above 0', lambda v: is_number(v) and v > 0 and v == int(v)
)
BEGIN = Check(
    'a whole number of at least 0',
    lambda v: v == 0 and is_number(v) or ITERATIONS.fits(v),
)
END = Check(
    'a whole number above 0, or infinity',
    lambda v: ITERATIONS.fits(v) or v == float('inf'),
)
IN_ORDER = Check(
    'begin must be below end',
    lambda part: part.get('begin', 0) < part.get('end', float('inf')),
)
CONVERTIBLE = Check(
    'convert_to_iter_based needs an end that is not infinite; leave end out',
    lambda part: (
        not (
            part.get('convert_to_iter_based')
            and part.get('end') == float('inf')
        )
    ),
)
# A rate that begins at 0 stays there, as each step is a factor.
START = Check(
    'a number above 0 and at most 1', lambda v: SHARE.fits(v) and v > 0
)
TYPED = Check(
    "needs a 'type', the name of a class",
    lambda part: not isinstance(part, Mapping) or 'type' in part,
)
CONSTRUCTOR = Check(
    'the name of a class', lambda v: isinstance(v, str) and v or callable(v)
)
_PRIORITIES = tuple(member.name for member in Priority)
PRIORITY = Check(
    'a whole number from 0 to 100, or one of ' + ', '.join(_PRIORITIES),
    lambda v: (
        isinstance(v, Priority)
        or whole_number(0, 100).fits(v)
        or v.upper() in _PRIORITIES
    ),
)
NEEDED_HOOKS = Check(
    'runtime_info and param_scheduler must not be None: they count iterations '
    'and follow the schedule',
    lambda hooks: (
        hooks.get('runtime_info', 0) is not None
        and hooks.get('param_scheduler', 0) is not None
    ),
)
SIZE = Check(
    'a whole number above 0, or a list of two',
    lambda v: COUNT.fits(v) or is_pair(v, COUNT),
)
PAIR = Check(
    'a list of two whole numbers above 0', lambda v: is_pair(v, COUNT)
)
SCALE = Check(
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
FACTOR = Check(
    'a number above 0, or a list of two',
    lambda v: POSITIVE.fits(v) or is_pair(v, POSITIVE),
)
RANGE = Check(
    'a list of two numbers above 0, the smaller one first',
    lambda v: is_pair(v, POSITIVE) and v[0] <= v[1],
)
RATE = Check(
    'a finite number above 0', lambda v: v is None or POSITIVE.fits(v)
)
# Of Adam two, of others such as Adan three.
BETAS = Check(
    'a list of two or more numbers of at least 0 and below 1',
    lambda v: len(v) > 1 and all(map(BELOW_ONE.fits, v)),
)
# Adafactor has two.
EPSILON = Check(
    'a finite number of at least 0, or a list of such',
    lambda v: (
        NOT_NEGATIVE.fits(v)
        or isinstance(v, list | tuple)
        and all(part is None or NOT_NEGATIVE.fits(part) for part in v)
    ),
)
# Infinity clips nothing (the norm is logged), or names the largest norm.
NORM = Check(
    'a number above 0', lambda v: POSITIVE.fits(v) or v == float('inf')
)
BUILT = Check('dict(...)', lambda v: isinstance(v, Mapping) or callable(v))
DATA_SET = Check(
    'a data set, dict(type=...), or a list of such', lambda v: _is_data_set(v)
)
DATA_SETS = Check(
    'dict(...) of data sets',
    lambda v: v is None or all(map(DATA_SET.fits, v.values())),
)
NUMBERS = Check(
    'dict(...) of whole numbers above 0',
    lambda v: v is None or all(map(COUNT.fits, v.values())),
)
PROBABILITY = Check(
    'a number in [0, 1], or a list of such with a sum of at most 1',
    lambda v: SHARE.fits(v) or all(map(SHARE.fits, v)) and 0 < sum(v) <= 1,
)
ASCENDING = Check(
    'a list of ascending whole numbers',
    lambda v: list(v) == sorted(v) and all(map(BEGIN.fits, v)),
)
COUNTS = Check(
    'a whole number above 0, or a list of such',
    lambda v: COUNT.fits(v) or len(v) > 0 and all(map(COUNT.fits, v)),
)
INDICES = Check(
    'a list of whole numbers, or one',
    lambda v: is_whole(v) or all(map(is_whole, v)),
)
WEIGHTS = Check(
    'a list of numbers of at least 0, or a file',
    lambda v: isinstance(v, str) or all(map(NOT_NEGATIVE.fits, v)),
)
HEAD_WEIGHTS = Check(
    'dict(...) of finite numbers of at least 0, by head',
    lambda v: all(map(NOT_NEGATIVE.fits, v.values())),
)
# As of the hue, which is back where it was after one turn.
STRENGTH = Check('a number in [0, 0.5]', lambda v: SHARE.fits(v) and v <= 0.5)
STATISTICS = Check(
    'mean and std must be of one length',
    lambda part: _length(part.get('mean')) == _length(part.get('std')),
)
# A wrong key is found only when the first gradients are clipped.
_CLIPPED = {
    'norm': ({'max_norm'}, {'norm_type', 'error_if_nonfinite', 'foreach'}),
    'value': ({'clip_value'}, {'foreach'}),
}
CLIPPING = Check(
    'needs max_norm and takes norm_type, error_if_nonfinite and foreach; or '
    "type='value' needs clip_value and takes foreach",
    lambda part: not part or _is_clipping(**part),
)
WINDOWS = Check(
    "stride and crop_size are needed by mode='slide', and stride must be at "
    'most crop_size, or pixels between windows are left out',
    lambda part: (
        all(map(le, part['stride'], part['crop_size']))
        if {'stride', 'crop_size'} <= {*part}
        else part.get('mode') != 'slide'
    ),
)
LOSS_SCALE = Check(
    "'dynamic', a number above 0 or dict(...)",
    lambda v: v == 'dynamic' or isinstance(v, Mapping) or POSITIVE.fits(v),
)
_LEVELS = ('CRITICAL', 'ERROR', 'WARNING', 'INFO', 'DEBUG', 'NOTSET')
LEVEL = Check(
    'one of ' + ', '.join(map(repr, _LEVELS)),
    lambda v: v in (*_LEVELS, 'WARN', 'FATAL', 10, 20, 30, 40, 50),
)


def is_pair(value: Any, check: Check) -> bool:
    """Whether a value is a list of two that each fit a check."""
    pair = isinstance(value, list | tuple) and len(value) == 2
    return pair and all(map(check.fits, value))


def _is_data_set(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and all(map(_is_data_set, value))
    typed = isinstance(value, Mapping) and 'type' in value
    return typed or isinstance(value, Dataset)


def _is_clipping(type: str = 'norm', **options: Any) -> bool:
    needed, more = _CLIPPED[type]
    return needed <= {*options} <= needed | more


def _length(values: Sequence | None) -> int:
    return 0 if values is None else len(values)
