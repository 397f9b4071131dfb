"""Hundreds of bad inputs; each ends in one line that names what is wrong.

``pytest -s -m slow tests/test_bad_inputs.py`` prints how many there are.
"""

import os
import pickle
import shutil
import struct
import zlib

import demo_data
import pytest
import torch
from bad_inputs import TOOLS, Case, load, run_all
from failing_tools import CONFIG
from faulty_values import CASES as CONFIG_VALUES
from faulty_values import CASES_OF_PARTS, write_config

pytestmark = pytest.mark.slow
ESL = demo_data.ROOT / 'configs/demo/demo_esl_gta2cs.py'
COTRAIN = demo_data.ROOT / 'configs/cotraining/cotraining_demo.py'
COAST = 'model_converters/coast.py'
STREETS = 'dataset_converters/make_street_scenes.py'
NUMBERS = 'misc/published_numbers.py'
PAGES = 'misc/results_page.py'
DRAWINGS = 'misc/draw_methods.py'
VIEWS = 'misc/draw_views.py'


@pytest.fixture(scope='module')
def tools():
    return load(TOOLS)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return demo_data.write(tmp_path_factory.mktemp('bad'), count=2)


def pairs(data, **changes):
    """Words for a tiny run."""
    options = demo_data.options(data, max_iters=2, interval=2) | changes
    return [f'{k}={v}'.replace(' ', '') for k, v in options.items()]


def training(data, folder, *words, config=CONFIG, **changes):
    work_dir = ['--work-dir', folder / 'work', *words]
    return [config, *work_dir, '--cfg-options', *pairs(data, **changes)]


def check(kind, cases, tools, tmp_path):
    wrong = run_all(kind, cases, tools, tmp_path)
    assert wrong == [], '\n'.join(wrong)


def test_values_of_configs(tools, data, tmp_path):
    cases = []
    for number, (key, value) in enumerate([*CONFIG_VALUES, *CASES_OF_PARTS]):
        if isinstance(value, dict) and not value:
            continue  # merged with the base, it changes nothing
        if key == 'launcher':
            continue  # of the command line
        file = write_config(
            tmp_path / f'config_{number}.py', CONFIG, key, value
        )
        words = [file, '--work-dir', tmp_path / 'work']
        cases.append(Case('train.py', words, key.rpartition('.')[0] or key))
    check('values of configs', cases, tools, tmp_path)


BROKEN_CONFIGS = {
    'a = (\n': 'config.py:1',
    'a = b\n': 'config.py:1',
    'a = 1 / 0\n': 'config.py:1',
    'a = {}\na[0]\n': 'config.py',
    'import nothing_there\n': 'nothing_there',
    "_base_ = './away.py'\n": 'away.py',
    "_base_ = './config.py'\n": 'config.py',
    '_base_ = 5\n': 'config.py',
    'raise SystemExit(0)\n': 'config.py',
    'a = []\na.append(a)\n': 'config.py',
    '\x00': 'config.py',
    "custom_imports = dict(imports=['nothing_there'])\n": 'nothing_there',
    'custom_imports = 5\n': 'config.py',
    'x = 1\n': '',
    "model = dict(type='AdvEntt')\n": '',
    '': '',
}


@pytest.mark.parametrize('kind', ['broken configs'])
def test_broken_configs(kind, tools, tmp_path):
    cases = []
    for number, (text, names) in enumerate(BROKEN_CONFIGS.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / 'config.py').write_text(text)
        words = [folder / 'config.py', '--work-dir', folder / 'work']
        cases.append(Case('train.py', words, names))
        if names:
            cases.append(Case('misc/check_data.py', words[:1], names))
            checkpoint = [folder / 'config.py', 'a.pth', '--out', folder / 'o']
            cases.append(Case('generate_pseudo_labels.py', checkpoint, names))
    check(kind, cases, tools, tmp_path)


def png_of_size(width, height):
    """A PNG whose header promises far more than there is."""

    def chunk(name, body):
        check = struct.pack('>I', zlib.crc32(name + body))
        return struct.pack('>I', len(body)) + name + body + check

    header = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    chunks = chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(b'0' * 99))
    return b'\x89PNG\r\n\x1a\n' + chunks + chunk(b'IEND', b'')


def write(content):
    return lambda path: path.write_bytes(content)


def pipe(path):
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def folder(path):
    path.unlink(missing_ok=True)
    path.mkdir()


def loop(path):
    path.unlink(missing_ok=True)
    path.symlink_to(path)


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def large(path):
    with path.open('wb') as file:
        file.truncate(2**40)


DAMAGE = dict(
    empty=write(b''),
    text=write(b'no image'),
    half=half,
    pipe=pipe,
    folder=folder,
    loop=loop,
    huge_header=write(png_of_size(10**6, 10**6)),
    wide_header=write(png_of_size(60_000, 60_000)),
    no_pixels=write(png_of_size(0, 5)),
    zeros=write(bytes(10_000)),
    pickle=write(pickle.dumps({'a': 1})),
    missing=lambda path: path.unlink(),
)
FILES = dict(
    image='GTA5/images',
    label='GTA5/labels',
    target='Cityscapes/leftImg8bit/train',
    truth='Cityscapes/gtFine/val',
)


def test_damaged_images_and_labels(tools, data, tmp_path):
    cases = []
    for name, place in FILES.items():
        for kind, damage in DAMAGE.items():
            if name == 'truth' and kind in ('missing', 'folder'):
                continue  # a target needs no labels
            copy = shutil.copytree(data, tmp_path / f'{name}_{kind}')
            for path in sorted((copy / place).rglob('*.png')):
                if name != 'truth' or 'labelIds' in path.name:
                    damage(path)
            damaged = f'{name}_{kind}/{place}'
            words = training(copy, tmp_path)
            cases.append(Case('train.py', words, damaged))
            roots = [f'source={copy}/GTA5', f'target={copy}/Cityscapes']
            words = [CONFIG, '--all', '--data-root', *roots]
            cases.append(Case('misc/check_data.py', words, damaged))
    check('damaged images and labels', cases, tools, tmp_path)


def damaged_checkpoints(root):
    """Files that are no sound checkpoints, by the name of their fault."""
    root.mkdir()
    for kind, damage in DAMAGE.items():
        path = root / f'{kind}.pth'
        torch.save({'state_dict': {'a': torch.zeros(9)}, 'meta': {}}, path)
        damage(path)
    contents = dict(
        a_list=[1],
        number=5,
        no_tensors={'state_dict': {'a': 1}},
        foreign={'state_dict': {'a': torch.zeros(3)}, 'meta': {}},
        bad_meta={'state_dict': {'a': torch.zeros(3)}, 'meta': 5},
    )
    for kind, content in contents.items():
        torch.save(content, root / f'{kind}.pth')
    return sorted([*DAMAGE, *contents])


def test_damaged_checkpoints(tools, data, tmp_path):
    root = tmp_path / 'checkpoints'
    cases = []
    for kind in damaged_checkpoints(root):
        path, out = root / f'{kind}.pth', tmp_path / 'out.pth'
        words = [CONFIG, path, '--work-dir', tmp_path / 'work']
        words += ['--cfg-options', *pairs(data)]
        cases += [
            Case('test.py', words, kind),
            Case(
                'train.py',
                training(data, tmp_path, '--load-from', path),
                kind,
            ),
            Case('train.py', training(data, tmp_path, '--resume', path), kind),
            Case('model_converters/extract_segmentor.py', [path, out], kind),
            Case(
                'model_converters/export.py',
                [CONFIG, path, '--out', tmp_path / 'out.pt'],
                kind,
            ),
            Case('model_converters/advent.py', [path, out], kind),
            Case(COAST, [path, out, '--targets', 'a', 'b'], kind),
        ]
    for address in ('s3://a/b.pth', 'torchvision://x', 'open-mmlab://x'):
        words = [CONFIG, address, '--work-dir', tmp_path / 'work']
        words += ['--cfg-options', *pairs(data)]
        cases.append(Case('test.py', words, address.partition(':')[0]))
    check('checkpoints', cases, tools, tmp_path)


STATES = dict(
    empty=b'',
    cut=b'{"a": ',
    a_list=b'[]',
    null=b'null',
    deep=b'[' * 100_000,
    deep_dict=b'{"a":' * 100_000,
    twice=b'{"stages": {}, "stages": {}, "a": 1, "a": 2}',
    nan=b'{"stages": NaN, "a": NaN}',
    utf16='{"a": 1}'.encode('utf-16'),
    latin=b'{"a": "\xff"}',
    digits=b'{"a": ' + b'9' * 5000 + b'}',
    wrong=b'{"stages": {"a": 5}, "thresholds": 5, "format": 5}',
)


def state_files(tmp_path, name):
    """Folders with a damaged file each."""
    for kind, content in STATES.items():
        folder = tmp_path / f'{name}_{kind}'
        folder.mkdir()
        (folder / name).write_bytes(content)
        yield folder
    for kind in ('pipe', 'loop', 'large'):
        folder = tmp_path / f'{name}_{kind}'
        folder.mkdir()
        dict(pipe=pipe, loop=loop, large=large)[kind](folder / name)
        if kind != 'loop':  # which is as good as missing for a state
            yield folder


def test_damaged_states(tools, data, tmp_path):
    roots = [f'source={data}/GTA5', f'target={data}/Cityscapes']
    images = data / 'GTA5/images'
    cases = []
    for folder in state_files(tmp_path, 'state.json'):
        words = [COTRAIN, '--work-dir', folder, '--status']
        words += ['--data-root', *roots]
        cases.append(Case('cotrain.py', words, 'state.json'))
    for folder in state_files(tmp_path, 'recipe.json'):
        words = [ESL, '--work-dir', folder, '--data-root', *roots]
        cases.append(Case('self_train.py', words, 'recipe.json'))
    for folder in state_files(tmp_path, 'manifest.json'):
        words = training(data, tmp_path, '--pseudo-labels', folder, config=ESL)
        words = [w for w in words if 'discriminator' not in str(w)]
        cases.append(Case('train.py', words, 'manifest.json'))
        words = ['rank', folder, '--out', tmp_path / 'ranked']
        cases.append(Case('select_pseudo_labels.py', words, 'manifest.json'))
    for folder in state_files(tmp_path, 'settings.json'):
        words = [images, images, folder, '--workers', 1]
        cases.append(Case('translate_lab.py', words, 'settings.json'))
    for folder in state_files(tmp_path, 'styles.json'):
        words = [images, images, folder / 'out', '--workers', 1]
        words += ['--statistics', folder / 'styles.json']
        cases.append(Case('translate_lab.py', words, 'styles.json'))
    for folder in state_files(tmp_path, 'street_scenes.json'):
        (folder.parent / f'{folder.name}_').mkdir()
        folder = folder.rename(folder.parent / f'{folder.name}_' / 'GTA5')
        words = [folder.parent, '--layouts', 'gta5', '--source-images', 1]
        words += ['--workers', 1]
        cases.append(Case(STREETS, words, 'street_scenes.json'))
    for folder in state_files(tmp_path, 'ratio.json'):
        ratio = folder / 'ratio.json'
        prior = f'dict(type="ClassRatioPrior", ratio="{ratio}")'
        file = folder / 'config.py'
        file.write_text(
            f"_base_ = '{CONFIG}'\nmodel = dict(terms=[{prior}])\n"
        )
        words = [file, *training(data, tmp_path)[1:]]
        cases.append(Case('train.py', words, 'ratio.json'))
    check('states and statistics', cases, tools, tmp_path)


def test_command_lines(tools, data, tmp_path):
    (tmp_path / 'a.txt').write_text('text')
    (tmp_path / 'a.py').write_text('a = (')
    work_dir = ['--work-dir', tmp_path / 'work']
    cases = [Case(tool, ['--no-such-option'], '') for tool in TOOLS]
    without = {'demo.py', 'analysis_tools/benchmark.py', NUMBERS, PAGES}
    without |= {DRAWINGS, VIEWS}
    cases += [Case(tool, [], '') for tool in TOOLS if tool not in without]
    of_config = {
        'train.py': [],
        'test.py': ['a.pth'],
        'self_train.py': [],
        'cotrain.py': [],
        'generate_pseudo_labels.py': ['a.pth', '--out', tmp_path / 'labels'],
        'analysis_tools/confusion_matrix.py': ['.', '--out', tmp_path / 'm'],
        'misc/check_data.py': [],
        'misc/class_statistics.py': [],
        'misc/print_config.py': [],
    }
    for tool, more in of_config.items():
        for config, names in (
            ('nothing.py', 'nothing.py'),
            (tmp_path, str(tmp_path)),
            (tmp_path / 'a.txt', 'a.txt'),
            (tmp_path / 'a.py', 'a.py'),
            ('', ''),
            ('a\nb.py', 'b.py'),
            ('x' * 5000, 'xxx'),
        ):
            cases.append(Case(tool, [config, *more], names))
        for option in (
            'a',
            'train_cfk.a=1',
            'train_cfg.by.a=1',
            'a=[(',
        ):
            words = [CONFIG, *more, '--cfg-options', option]
            cases.append(Case(tool, words, option[:3].strip('=[(')))
    for words, names in (
        (['--seed', '-1'], '--seed'),
        (['--seed', str(2**40)], '--seed'),
        (['--seed', 'x'], '--seed'),
        (['--seed', '1.5'], '--seed'),
        (['--work-dir', tmp_path / 'a.txt'], 'a.txt'),
        (['--work-dir', ''], '--work-dir'),
        (['--load-from', 'nothing.pth'], 'nothing.pth'),
        (['--resume', 'nothing.pth'], 'nothing.pth'),
        (['--pseudo-labels', 'nothing'], '--pseudo-labels'),
        (['--launcher', 'ssh'], '--launcher'),
        (['--data-root', 'source'], 'source'),
        (['--data-root', 'moon=x'], 'moon'),
        (['--data-root', f'source={tmp_path}/a.txt'], 'a.txt'),
        (['--data-root', 'source=nothing'], 'nothing'),
        (['--amp', 'fp8'], 'fp8'),
    ):
        options = ['--cfg-options', *pairs(data)]
        words = [CONFIG, *work_dir, *words, *options]
        cases.append(Case('train.py', words, names))
    for tool, words, names in (
        ('self_train.py', [ESL, '--rounds', '0'], '--rounds'),
        ('self_train.py', [ESL, '--processes', '0'], '--processes'),
        ('cotrain.py', [COTRAIN, '--processes', '0'], '--processes'),
        ('cotrain.py', [COTRAIN, '--stage', 'nothing'], 'nothing'),
        ('cotrain.py', [CONFIG], 'cotraining'),
        ('self_train.py', [CONFIG], 'self_training'),
        ('misc/check_data.py', [CONFIG, '--workers', '0'], '--workers'),
        ('misc/check_data.py', [CONFIG, '--workers', '-1'], '--workers'),
        ('misc/class_statistics.py', [CONFIG, '--workers', '0'], '--workers'),
        ('misc/class_statistics.py', [CONFIG, '--domain', 'moon'], 'moon'),
        ('test.py', [CONFIG, 'a.pth', '--weights', 'nan'], 'weight'),
        ('test.py', [CONFIG, 'a.pth', '--weights', '1', '2'], 'weight'),
        ('test.py', [CONFIG, 'a.pth', '--head', 'nothing'], 'nothing'),
        ('test.py', [CONFIG, 'a.pth', '--wait-time', '-1'], '--wait-time'),
        ('translate_lab.py', ['no', 'no', tmp_path / 'o'], 'no'),
        ('translate_lab.py', ['a', 'b', 'c', '--seed', '-1'], '--seed'),
        ('select_pseudo_labels.py', ['rank', 'no', '--out', 'o'], 'no'),
        ('select_pseudo_labels.py', ['nothing'], 'nothing'),
        (STREETS, ['o', '--size', 'x'], 'x'),
        (STREETS, ['o', '--size', '0x0'], 'size'),
        (STREETS, [tmp_path / 'a.txt', '--workers', '1'], 'a.txt'),
        ('analysis_tools/benchmark.py', ['--config', 'nothing.py'], 'nothing'),
        (NUMBERS, ['--root', tmp_path / 'away'], 'away'),
        (DRAWINGS, ['--folder', tmp_path / 'away'], 'away'),
        (DRAWINGS, ['nothing'], 'nothing'),
        (VIEWS, ['--folder', tmp_path / 'a.txt'], 'a.txt'),
    ):
        cases.append(Case(tool, words, names))
    check('command lines', cases, tools, tmp_path)
