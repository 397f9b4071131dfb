"""What could run code is called in few places, each with a reason."""

import ast

import demo_data
import pytest
from test_house_rules import PROGRAMS, files

ROOT = demo_data.ROOT
# Calls that could run what a file holds, by where they may stand.
ALLOWED = {
    'torch.load': {'mmuda/utils/compat.py'},
    # Of the file that it has just written.
    'torch.jit.load': {'mmuda/export/graph_files.py'},
    'yaml.load': {'mmuda/utils/files.py'},
    'Config.fromfile': {'mmuda/utils/config_completion.py'},
    # A key of configs, no call.
    'compile': {'mmuda/utils/config_schema.py'},
    # The tools, and what of the package stands alone.
    'exec_module': {'mmuda_cli.py'},
    'import_module': {
        'mmuda/__init__.py',
        'mmuda/utils/setup_env.py',
        'benchmarks/lab_translation.py',
        'benchmarks/published_loop.py',
    },
}
FORBIDDEN = (
    *('pickle.load', 'pickle.loads', 'torch.load', 'torch.jit.load'),
    *('torch.hub.load', 'load_state_dict_from_url', 'load_url', 'joblib'),
    *('yaml.load', 'yaml.unsafe_load', 'yaml.full_load', 'mmengine.load'),
    *('fileio.load', 'Config.fromfile', 'Config.fromstring', 'marshal'),
    *('import_module', 'run_path', 'run_module', 'exec_module'),
    *('shelve', 'dill', 'cloudpickle', 'os.system', 'os.popen'),
)


def names_in(tree):
    """Nodes that name something, with dotted names after the imports."""
    full = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            start = f'{getattr(node, "module", None) or ""}.'.lstrip('.')
            for part in node.names:
                full[part.asname or part.name] = start + part.name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            first, dot, rest = ast.unparse(node).partition('.')
            yield node, full.get(first, first) + dot + rest


def runs_code(name):
    """The forbidden name that a call has; None for others."""
    if name in ('eval', 'exec', 'compile', '__import__'):
        return name
    parts = (part for part in FORBIDDEN if f'.{name}'.endswith(f'.{part}'))
    return next(parts, None)


def programs():
    for path in files(*PROGRAMS):
        yield str(path), (ROOT / path).read_text()


def test_calls_that_could_run_code_are_known():
    found = {}
    for where, text in programs():
        for _, name in names_in(ast.parse(text)):
            if forbidden := runs_code(name):
                found.setdefault(forbidden, set()).add(where)
    assert found == ALLOWED


@pytest.mark.parametrize(
    'text',
    [
        'from torch import load\nload(path)',
        'import torch as t\nt.load(path)',
        'from pickle import loads as read\nread(data)',
        'import numpy, pickle\nfunctions = dict(pkl=pickle.load)',
        'from functools import partial\npartial(eval, text)',
        'import torch\nread = torch.jit.load',
        'from mmengine import Config as C\nC.fromstring(text, ".py")',
    ],
)
def test_calls_by_other_names_are_found(text):
    assert any(runs_code(name) for _, name in names_in(ast.parse(text)))


def test_arrays_are_read_without_pickles():
    for where, text in programs():
        tree = ast.parse(text)
        names = dict(names_in(tree))
        for call in ast.walk(tree):
            if not isinstance(call, ast.Call):
                continue
            keywords = {k.arg: ast.unparse(k.value) for k in call.keywords}
            assert keywords.get('allow_pickle', 'False') == 'False', where
            if names.get(call.func) == 'torch.load':
                assert keywords['weights_only'] == 'True', where
            if names.get(call.func) == 'yaml.load':
                assert keywords['Loader'] == '_DataLoader', where
