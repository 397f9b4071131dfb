"""Images, labels and arrays are opened where their readers are bounded."""

import ast
from pathlib import Path

import pytest
from test_house_rules import PROGRAMS

ROOT = Path(__file__).parents[1]
# What opens a file of pixels or numbers, and who may call it.
READERS = {
    'imread': set(),
    'imreadmulti': set(),
    'imdecode': {'mmuda/datasets/images/image_io.py'},
    'imfrombytes': {'mmuda/datasets/images/image_io.py'},
    'Image.open': {'mmuda/datasets/images/image_header.py'},
    'np.load': {'mmuda/pseudo_labels/second_pass.py'},
}
# They read plainly on purpose, to compare with.
BENCHMARKS = {
    'benchmarks/data.py',
    'benchmarks/image_formats.py',
    'benchmarks/lab_translation.py',
}


def calls(path):
    """Names that a file calls, whole and their last part."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            yield from {name, name.rpartition('.')[2]}


@pytest.mark.parametrize('reader', READERS)
def test_only_readers_open_files(reader):
    callers = {
        str(path.relative_to(ROOT))
        for folder in PROGRAMS
        for path in (ROOT / folder).rglob('*.py')
        if reader in calls(path.relative_to(ROOT))
    }
    assert callers - BENCHMARKS == READERS[reader]
