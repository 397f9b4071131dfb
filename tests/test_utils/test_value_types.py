import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import numpy as np
import pytest
from mmengine.config import Config, ConfigDict
from torch import nn

from mmuda.utils.checks import BELOW_ONE, COUNT, whole_number
from mmuda.utils.value_types import describe, find_fault

FITTING = [
    (1, int),
    (np.int64(3), int),
    (1, float),
    (2.5, float),
    (np.float32(0.5), float),
    (None, int | None),
    (None, None),
    (3, Optional[int]),  # noqa: UP045 (as other packages have it)
    ('a', str),
    ('a', str | os.PathLike),
    (Path('a'), os.PathLike),
    ([1, 2], Sequence[int]),
    ((1, 2), list[int]),
    (np.array([1, 2]), list[int]),
    ([1, 2], tuple[int, int]),
    ([1, 2, 3], tuple[int, ...]),
    ([], tuple[int, ...]),
    (range(3), Sequence[int]),
    (ConfigDict(a=1), dict),
    (Config(dict(a=1))._cfg_dict, Mapping[str, int]),
    ({'a': [1]}, dict[str, list[int] | None]),
    ('y', Literal['x', 'y']),
    (5, Any),
    (5, nn.Module),
    (5, Callable),
    (0.0, Annotated[float, BELOW_ONE]),
    (None, Annotated[int, COUNT] | None),
]
FAULTY = [
    (True, int, 'p=True: must be a whole number'),
    (1.0, int, 'p=1.0: must be a whole number'),
    ('1', int, "p='1': must be a whole number"),
    (False, float, 'p=False: must be a finite number'),
    ('1e-3', float, "p='1e-3': must be a finite number"),
    (float('nan'), float, 'p=nan: must be a finite number'),
    (10**400, float, '00: must be a finite number'),
    (float('inf'), float | None, 'p=inf: must be a finite number or None'),
    (1, bool, 'p=1: must be True or False'),
    (None, str, 'p=None: must be a text'),
    ('ab', Sequence[str], "p='ab': must be a list"),
    (5, os.PathLike, 'p=5: must be a path'),
    ([1, 'b'], Sequence[int], "p[1]='b': must be a whole number"),
    ([1], tuple[int, int], 'p=[1]: must be a list of 2'),
    ({'a': 'b'}, dict[str, int], "p.a='b': must be a whole number"),
    ({1: 1}, dict[str, int], 'p.1=1: must be under a text'),
    ({'a': [1, None]}, dict[str, list[int]] | None, 'p.a[1]=None: must be'),
    (1, Literal['x', 'y'], "p=1: must be one of 'x', 'y'"),
    (True, Literal[1], 'p=True: must be one of 1'),
    (1, Annotated[float, BELOW_ONE], 'p=1: must be a number of at least 0'),
    (7, Annotated[int, whole_number(0, 3)], 'a whole number from 0 to 3'),
]


@pytest.mark.parametrize(('value', 'kind'), FITTING)
def test_fitting_value_passes(value, kind):
    assert find_fault(value, kind, 'p') is None


@pytest.mark.parametrize(('value', 'kind', 'message'), FAULTY)
def test_faulty_value_is_named(value, kind, message):
    assert message in str(find_fault(value, kind, 'p'))


@pytest.mark.parametrize(
    ('kind', 'words'),
    [
        (int | None, 'a whole number or None'),
        (str | Path, 'a text or a path'),
        (list[int] | tuple[int, ...], 'a list'),
        (dict[str, int] | None, 'dict(...) or None'),
        (Annotated[int, COUNT] | None, 'a whole number above 0 or None'),
    ],
)
def test_annotations_are_told_in_words(kind, words):
    assert describe(kind) == words
