"""What is written goes to a temporary file first, wherever it is written."""

import ast

import pytest
from test_house_rules import PROGRAMS, files, parse

# Writing functions and the position of the argument that says where to; None
# is the object whose method it is.
METHODS = {
    'write_text': None,
    'write_bytes': None,
    'imwrite': 0,
    'save': 0,
    'savefig': 0,
    'savez': 0,
    'savez_compressed': 0,
    'dump': 0,
}
FUNCTIONS = dict.fromkeys(
    (
        *('torch.save', 'json.dump', 'pickle.dump', 'shutil.copyfile'),
        *('torch.jit.save', 'torch.export.save'),
    ),
    1,
)
# It writes nothing, in spite of its name.
SAFE = {'ast.dump'}
# Where the argument has to be the path that ``atomic_path`` yields, or a file
# that is opened by it or kept in memory.
ALLOWED = {'temporary', 'file', 'text', 'buffer'}
# A log to which lines are added, a lock, and folders in which a method of our
# own writes.
ALLOWED |= {'command.log', 'path / LOCK', 'self.out_dir', 'args.out'}
# Counters of a cache, which goes without them when they are damaged.
ALLOWED |= {'self._state_path'}
# They write into a folder that is removed.
EXCEPTIONS = {
    'benchmarks/image_formats.py',
    'benchmarks/scaling.py',
    'benchmarks/turns.py',
    'benchmarks/several_targets_evaluation.py',
    'benchmarks/tiny_labelling.py',
}


def target(call):
    """Source of where a call writes to; None if it does not write."""
    function = call.func
    if isinstance(function, ast.Name) and function.id == 'open':
        modes = [*call.args[1:2], *(k.value for k in call.keywords)]
        writes = any(
            isinstance(m, ast.Constant) and set(str(m.value)) & set('wax')
            for m in modes
            if not isinstance(m, ast.Constant) or m.value != 'utf-8'
        )
        return ast.unparse(call.args[0]) if writes else None
    if not isinstance(function, ast.Attribute):
        return None
    owner = ast.unparse(function.value)
    whole = f'{owner}.{function.attr}'
    known = whole in FUNCTIONS or function.attr in METHODS
    if whole in SAFE or not known:
        return None
    position = FUNCTIONS.get(whole, METHODS.get(function.attr))
    if position is None:
        return owner
    return ast.unparse(call.args[position]) if call.args else None


def written(path):
    """Lines and targets of all calls in a file that write."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Call):
            where = target(node)
            if where is not None:
                yield node.lineno, where


def test_files_are_written_through_temporary_ones():
    direct = [
        f'{path}:{line} writes {where}'
        for path in files(*PROGRAMS)
        if str(path) not in EXCEPTIONS
        for line, where in written(path)
        if where.removeprefix('str(').removesuffix(')') not in ALLOWED
    ]
    assert direct == []


@pytest.mark.parametrize(
    ('code', 'expected'),
    [
        ("open(path, 'w')", 'path'),
        ("open(path, encoding='utf-8')", None),
        ('path.write_text(x)', 'path'),
        ('torch.save(x, path)', 'path'),
        ('image.save(path)', 'path'),
        ('cv2.imwrite(str(path), x)', 'str(path)'),
        ('path.read_text()', None),
        ('cfg.dump(path)', 'path'),
        ('json.dump(x, path)', 'path'),
    ],
)
def test_calls_that_write_are_found(code, expected):
    (call,) = [
        n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Call)
    ][:1]
    assert target(call) == expected
