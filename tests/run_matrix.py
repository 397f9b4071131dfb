"""Runs the tests in a cell of requirements/matrix.json, in its own venv.

``make matrix CELL=py312-torch2.6``, or ``python tests/run_matrix.py CELL``
with arguments of pytest behind it; ``--list`` prints all cells as JSON, which
the workflow in .github reads.
"""

import argparse
import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CELLS = ROOT / 'requirements' / 'matrix.json'
#: Where builds of PyTorch are looked for, such as those for CPUs alone.
TORCH_INDEX = 'TORCH_INDEX'
VENVS = '.matrix'
#: Extras of the package that all cells install.
EXTRAS = ('pretrained', 'tests')


def read_cells():
    """All cells, by their names."""
    cells = json.loads(CELLS.read_text())['cells']
    return {cell['name']: cell for cell in cells}


def find_python(version):
    """An interpreter of a version such as ``3.12``."""
    names = [sys.executable, f'python{version}']
    for name in filter(None, map(shutil.which, names)):
        words = [
            name,
            '-c',
            'import sys; print("%d.%d" % sys.version_info[:2])',
        ]
        found = subprocess.run(words, capture_output=True, text=True)
        if found.stdout.strip() == version:
            return name
    sys.exit(
        f'no python{version} is in PATH; install it, or name one: --python'
    )


def requirements(name):
    """Arguments of pip for a file of requirements."""
    return ['-r', str(ROOT / 'requirements' / f'{name}.txt')]


def torch_arguments(torch, environment):
    """Arguments of pip for what a cell says of PyTorch."""
    if torch == 'tested':
        words = requirements('torch')
    else:
        words = ['torch' if torch == 'newest' else f'torch=={torch}']
    index = environment.get(TORCH_INDEX)
    return [*words, '--index-url', index] if index else words


def installations(cell, environment=os.environ):
    """Arguments of each ``pip install`` of a cell, in order."""
    yield torch_arguments(cell['torch'], environment)
    stack = requirements(cell['stack'])
    if cell['stack'] == 'upstream':
        yield requirements('upstream_build')
        stack = ['--no-build-isolation', *stack]
    yield stack
    yield ['-e', f'{ROOT}[{",".join(EXTRAS)}]']


def digest_of(cell):
    """A hash of a cell and of all requirements that it installs."""
    words = list(itertools.chain(*installations(cell, {})))
    of_package = itertools.chain(*map(requirements, ('runtime', *EXTRAS)))
    pairs = itertools.pairwise([*words, *of_package])
    files = [Path(file) for option, file in pairs if option == '-r']
    content = [cell, *(file.read_text() for file in files)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def run_cell(cell, python, pytest_arguments):
    """Make the environment of a cell if need be, and run the tests.

    It is made anew if requirements have changed since.
    """
    venv = ROOT / VENVS / cell['name']
    folder = venv / ('Scripts' if os.name == 'nt' else 'bin')
    installed = venv / 'installed'
    digest = digest_of(cell)
    if not installed.is_file() or installed.read_text() != digest:
        start = [
            python or find_python(cell['python']),
            '-m',
            'venv',
            '--clear',
        ]
        subprocess.run([*start, str(venv)], check=True)
        # mmcv of OpenMMLab leaves its operators out unless told.
        environment = os.environ | {'MMCV_WITH_OPS': '1'}
        pip = [str(folder / 'python'), '-m', 'pip', 'install']
        for words in installations(cell):
            subprocess.run([*pip, *words], env=environment, check=True)
        installed.write_text(digest)
    tests = [str(folder / 'python'), '-m', 'pytest', *pytest_arguments]
    return subprocess.run(tests, cwd=ROOT).returncode


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False
    )
    cells = read_cells()
    parser.add_argument('cell', nargs='?', choices=cells)
    parser.add_argument('--list', action='store_true')
    parser.add_argument('--python', help='interpreter of the version')
    args, rest = parser.parse_known_args()
    if args.list:
        print(json.dumps(list(cells.values())))
        return 0
    if args.cell is None:
        parser.error(f'name a cell: {", ".join(cells)}')
    return run_cell(cells[args.cell], args.python, rest)


if __name__ == '__main__':
    sys.exit(main())
