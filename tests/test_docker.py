"""What an image is built of; nothing here builds one."""

import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILE = 'docker/Dockerfile'
NEEDED = (
    *('mmuda', 'configs', 'tools', 'demo', 'street_scenes', 'experiments'),
    *('README.md', 'LICENSE', 'MANIFEST.in', 'model-index.yml'),
    *('pyproject.toml', 'setup.py', 'requirements', 'mmuda/py.typed'),
)


def instructions(name):
    """What follows an instruction, each as one line without comments."""
    lines = (ROOT / DOCKERFILE).read_text().splitlines()
    text = '\n'.join(x for x in lines if not x.startswith('#'))
    text = text.replace('\\\n', ' ')
    return re.findall(rf'^{name} +(.*)$', text, re.M)


def is_ignored(path):
    """Whether ``.dockerignore`` keeps a path or a folder above it out."""
    lines = (ROOT / '.dockerignore').read_text().splitlines()
    patterns = [x for x in lines if x and not x.startswith('#')]
    parts = Path(path).parts
    return any(
        fnmatch('/'.join(parts[start:end]), pattern.removeprefix('**/'))
        for pattern in patterns
        for start in (range(len(parts)) if pattern[:3] == '**/' else [0])
        for end in range(start + 1, len(parts) + 1)
    )


def test_what_is_copied_exists_and_is_not_left_out():
    sources = [line.split()[:-1] for line in instructions('COPY')]
    assert sources == [['requirements'], ['.']]
    for path in NEEDED:
        assert (ROOT / path).exists()
        assert not is_ignored(path), path


@pytest.mark.parametrize(
    'path',
    [
        '.git/config',
        '.venv/bin/python',
        'work_dirs/advent/iter_1.pth',
        'experiments/weights.pth',
        'data/GTA5/images/00001.png',
        'mmuda/utils/__pycache__/files.pyc',
        'mmuda/.mim/configs',
    ],
)
def test_what_is_left_out(path):
    assert is_ignored(path)


def test_no_file_of_the_repository_is_left_out_but_tests():
    listed = subprocess.run(
        ['git', 'ls-files'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    left_out = {p.split('/')[0] for p in listed if is_ignored(p)}
    assert left_out == {'.git', '.github', 'tests'} & {
        p.split('/')[0] for p in listed
    }


def test_versions_come_from_the_requirement_files():
    commands = ' ; '.join(instructions('RUN'))
    files = re.findall(r'-r (\S+)', commands)
    assert [Path(name).stem for name in files] == [
        *('torch', 'stack', 'runtime', 'pretrained', 'export')
    ]
    assert all((ROOT / name).is_file() for name in files)
    # pip is given nothing but files and the copy of the repository.
    given = re.sub(r'-r \S+|--index-url "\S+"|--no-deps|-e \.', '', commands)
    assert re.findall(r'pip install *([\w-]+)', given) == []
    assert '==' not in commands


def test_the_same_file_is_for_cpus_and_gpus():
    assert 'DEVICE=cpu' in instructions('ARG')
    index = 'https://download.pytorch.org/whl/${DEVICE}'
    assert index in ' '.join(instructions('RUN'))


def test_the_python_is_one_that_is_tested():
    arguments = dict(line.split('=') for line in instructions('ARG'))
    project = (ROOT / 'pyproject.toml').read_text()
    assert f'Python :: {arguments["PYTHON"]}"' in project
    assert instructions('FROM') == ['python:${PYTHON}-slim-bookworm']
