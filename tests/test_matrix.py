"""Versions that are tested together, here and on GitHub."""

import itertools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import run_matrix
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import mmuda

ROOT = Path(__file__).resolve().parents[1]
CELLS = run_matrix.read_cells()
PROJECT = (ROOT / 'pyproject.toml').read_text()
PYTHONS = re.findall(r'Python :: (3\.\d+)"', PROJECT)


@pytest.fixture
def jobs():
    text = (ROOT / '.github/workflows/test.yml').read_text()
    return yaml.safe_load(text)['jobs']


def requirements(name):
    lines = (ROOT / f'requirements/{name}.txt').read_text().splitlines()
    return {
        line.name: line.specifier
        for line in map(Requirement, (x for x in lines if x[:1] != '#'))
    }


def combinations(stack):
    return {
        (cell['python'], cell['torch'])
        for cell in CELLS.values()
        if cell['stack'] == stack
    }


def test_each_cell_has_a_name_and_files_of_its_own():
    listed = json.loads(run_matrix.CELLS.read_text())['cells']
    assert len(CELLS) == len(listed)
    for cell in listed:
        assert cell.keys() == {'name', 'python', 'torch', 'stack'}
        assert (ROOT / f'requirements/{cell["stack"]}.txt').is_file()


def test_every_python_has_the_oldest_and_the_tested_torch():
    oldest = mmuda._VERSION_RANGES['torch'][0]
    assert PYTHONS == ['3.10', '3.11', '3.12', '3.13']
    wanted = set(itertools.product(PYTHONS, [oldest, 'tested']))
    assert wanted <= combinations('stack')
    assert {torch for _, torch in combinations('stack')} == {
        *(oldest, 'tested', 'newest')
    }


def test_openmmlabs_own_packages_are_tested_in_versions_that_fit():
    assert combinations('upstream')
    pins = requirements('upstream')
    version = {name: re.sub('^==', '', str(pins[name])) for name in pins}
    mmuda.check_upstream(version['mmcv'], version['mmsegmentation'], True)
    for package, distribution in (
        ('mmengine', 'mmengine'),
        ('mmcv', 'mmcv'),
        ('mmseg', 'mmsegmentation'),
    ):
        mmuda.check_version(package, version[distribution])


def test_the_tested_torch_is_among_those_that_are_supported():
    pin = requirements('torch')['torch']
    oldest, untested = mmuda._VERSION_RANGES['torch']
    version = next(iter(pin)).version
    assert version in SpecifierSet(f'>={oldest},<{untested}')


def test_the_workflow_runs_the_cells_of_the_file(jobs):
    step = next(s for s in jobs['cells']['steps'] if s.get('id') == 'list')
    command = re.search(r'\$\(python3 (.*?)\)', step['run'])[1]
    printed = subprocess.run(
        [sys.executable, *command.split()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    # One line, as an output of a job has to be.
    assert printed.count('\n') == 1
    assert json.loads(printed) == list(CELLS.values())
    output = '${{ fromJSON(needs.cells.outputs.cells) }}'
    assert jobs['test']['strategy']['matrix'] == {'cell': output}


def test_the_workflow_uses_what_a_cell_says(jobs):
    steps = jobs['test']['steps']
    python = next(s['with'] for s in steps if 'python' in s.get('uses', ''))
    assert python == {'python-version': '${{ matrix.cell.python }}'}
    run = next(s['run'] for s in steps if 'run' in s)
    assert run.startswith(
        'python tests/run_matrix.py ${{ matrix.cell.name }} '
    )
    used = set(re.findall(r'matrix\.cell\.(\w+)', str(jobs['test'])))
    assert used <= next(iter(CELLS.values())).keys()


def test_jobs_of_the_workflow_need_jobs_and_targets_that_exist(jobs):
    targets = re.findall(r'^([\w-]+):', (ROOT / 'Makefile').read_text(), re.M)
    for job in jobs.values():
        assert job.get('needs', 'cells') in jobs
        for step in job['steps']:
            for target in re.findall(r'make (\w+)', step.get('run', '')):
                assert target in targets


def test_the_workflow_runs_the_tests_of_mim(jobs):
    runs = [s['run'] for s in jobs['mim']['steps'] if 'run' in s]
    assert runs[-2].endswith('pip install -r requirements/mim.txt')
    assert runs[-1].endswith('pytest -m slow tests/test_distributions.py')


def test_slow_tests_and_the_image_have_jobs_of_their_own(jobs):
    assert jobs['slow']['steps'][-1]['run'].endswith(
        'pytest -m slow -n 2 --dist loadfile --ignore '
        'tests/test_distributions.py'
    )
    runs = [s['run'] for s in jobs['docker']['steps'] if 'run' in s]
    assert runs[0] == 'docker build -f docker/Dockerfile -t mmuda .'
    # Neither of them at each change, but by the clock, or when asked.
    text = (ROOT / '.github/workflows/test.yml').read_text()
    # YAML 1.1 takes `on` for a truth.
    events = yaml.safe_load(text)[True]
    assert {'schedule', 'workflow_dispatch'} <= events.keys()
    for name in ('slow', 'docker'):
        assert jobs[name]['if'] == (
            "github.event_name != 'push' && github.event_name != "
            "'pull_request'"
        )


def test_mim_takes_a_setuptools_that_the_tests_take():
    both = [requirements(name)['setuptools'] for name in ('mim', 'tests')]
    assert all('80.9.0' in specifier for specifier in both)


def test_the_workflow_tells_the_site_where_it_is_published(jobs):
    """Else its map is empty, and its 404.html looks in the server's root."""
    steps = jobs['docs']['steps']
    made = next(i for i, s in enumerate(steps) if s.get('run') == 'make docs')
    asked = next(s for s in steps[:made] if s.get('id') == 'pages')
    assert asked['uses'].startswith('actions/configure-pages@')
    assert asked['if'] == jobs['publish']['if']
    assert steps[made]['env'] == {
        'MMUDA_SITE': '${{ steps.pages.outputs.base_url }}'
    }
    assert 'MMUDA_SITE' in (ROOT / 'mkdocs.yml').read_text()
    assert jobs['docs']['permissions'] == {'contents': 'read', 'pages': 'read'}


def test_installations_of_a_cell():
    files = ROOT / 'requirements'
    cell = CELLS['py312-upstream']
    given = run_matrix.installations(cell, {'TORCH_INDEX': 'simple'})
    assert list(given) == [
        ['torch==2.6.0', '--index-url', 'simple'],
        ['-r', str(files / 'upstream_build.txt')],
        ['--no-build-isolation', '-r', str(files / 'upstream.txt')],
        ['-e', f'{ROOT}[pretrained,tests]'],
    ]
    given = run_matrix.installations(CELLS['py310-tested'], {})
    assert list(given) == [
        ['-r', str(files / 'torch.txt')],
        ['-r', str(files / 'stack.txt')],
        ['-e', f'{ROOT}[pretrained,tests]'],
    ]
    assert next(run_matrix.installations(CELLS['py313-newest'], {})) == [
        'torch'
    ]


def test_the_interpreter_of_a_version():
    version = '{}.{}'.format(*sys.version_info)
    assert run_matrix.find_python(version) == sys.executable
    with pytest.raises(SystemExit, match=r'no python3\.99 .* --python'):
        run_matrix.find_python('3.99')


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Runs a cell by an interpreter that notes what it is asked for."""
    shutil.copytree(ROOT / 'requirements', tmp_path / 'requirements')
    monkeypatch.setattr(run_matrix, 'ROOT', tmp_path)
    python = tmp_path / 'python'
    python.write_text(
        '#!/bin/sh\n'
        f'echo "$2" >> {tmp_path}/asked\n'
        'if [ "$2" = venv ]; then\n'
        '    rm -rf "$4"; mkdir -p "$4/bin"; cp "$0" "$4/bin/python"\n'
        'fi\n'
    )
    python.chmod(0o755)

    def run():
        assert run_matrix.run_cell(CELLS['py310-tested'], python, []) == 0
        asked = (tmp_path / 'asked').read_text().split()
        (tmp_path / 'asked').unlink()
        return asked

    return run


@pytest.mark.parametrize('name', ['torch', 'stack', 'runtime', 'tests'])
def test_a_cell_is_made_again_for_other_requirements(runs, tmp_path, name):
    installed = ['venv', 'pip', 'pip', 'pip', 'pytest']
    assert runs() == installed
    assert runs() == ['pytest']
    with (tmp_path / f'requirements/{name}.txt').open('a') as file:
        file.write('more>=1\n')
    assert runs() == installed
    assert runs() == ['pytest']


def test_requirements_of_others_leave_a_cell_as_it_is(runs, tmp_path):
    runs()
    (tmp_path / 'requirements/upstream.txt').write_text('more>=1\n')
    assert runs() == ['pytest']
