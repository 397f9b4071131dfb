"""Testing and labelling 12 megapixels; all their logits take 0.9 GB."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
# Measured: a tenth to a quarter less.
BOUNDS = dict(
    test=0.7e9,
    metrics=0.8e9,
    tta=1.1e9,
    softmax_first=0.35e9,
    upsample_first=0.35e9,
)


def growth(*cases):
    paths = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    output = subprocess.check_output(
        [sys.executable, str(TESTS / 'photo_memory.py'), *cases],
        env=dict(os.environ, PYTHONPATH=paths),
    )
    return json.loads(output.splitlines()[-1])


def test_photos_take_little_memory():
    found = growth('metrics', 'softmax_first')
    assert found['metrics'] < BOUNDS['metrics']
    assert found['softmax_first'] < BOUNDS['softmax_first']


@pytest.mark.slow
@pytest.mark.parametrize('case', BOUNDS)
def test_each_way_takes_little_memory(case):
    assert growth(case)[case] < BOUNDS[case]
