import json
import os
import runpy
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmuda.utils.cli import run_tool

ROOT = Path(__file__).parents[1]
TOOL = ROOT / 'tools' / 'translate_lab.py'
PARTS = runpy.run_path(str(TOOL))


def write_images(folder, count, size=(16, 12), shift=0):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        generator = np.random.default_rng(shift + number)
        image = generator.integers(20, 230, (size[1], size[0], 3))
        cv2.imwrite(str(folder / f'{number:03}.png'), image)


@pytest.fixture
def folders(tmp_path):
    write_images(tmp_path / 'source', 3)
    write_images(tmp_path / 'my target', 4, shift=100)
    return tmp_path


def run(folders, *options, source='source', target='my target'):
    words = [folders / source, folders / target, folders / 'out', *options]
    args = PARTS['parse_args']([str(word) for word in words])
    return run_tool(PARTS['main'], args)


def images_of(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.glob('*.png'))}


def test_all_images_are_translated(folders, capsys):
    assert run(folders, '--workers', 1) == 0
    assert len(images_of(folders / 'out')) == 3
    assert '3 images translated' in capsys.readouterr().out


def test_second_run_says_that_it_keeps_all(folders, capsys):
    run(folders, '--workers', 1)
    run(folders, '--workers', 1)
    assert '0 images translated, 3 kept' in capsys.readouterr().out


def test_seed_decides_about_the_pairs(folders):
    run(folders, '--workers', 1)
    first = (folders / 'out/pairs.csv').read_text()
    run(folders, '--workers', 1, '--seed', 5, '--overwrite')
    assert (folders / 'out/pairs.csv').read_text() != first


def test_statistics_alone(folders, capsys):
    path = folders / 'styles.json'
    assert run(folders, '--statistics', path, '--statistics-only') == 0
    assert len(json.loads(path.read_text())['images']) == 4
    assert '4 target images' in capsys.readouterr().out
    assert not (folders / 'out').exists()


def test_statistics_alone_may_come_first(folders):
    run(folders, '--workers', 1, '--statistics-only')
    assert [p.name for p in (folders / 'out').iterdir()] == [
        'target_statistics.json'
    ]
    assert run(folders, '--workers', 1) == 0


def test_names_are_below_the_source_root(folders):
    assert run(folders, '--workers', 1, '--source-root', folders) == 0
    assert len(images_of(folders / 'out/source')) == 3


def error(capsys):
    """The one line of an error; bars stand before it."""
    err = capsys.readouterr().err
    assert 'Traceback' not in err
    return err.splitlines()[-1]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'source': 'none'}, "SOURCE '{0}/none' does not exist"),
        ({'target': '.'}, "'{0}/out' lies among the images of '{0}'"),
    ],
)
def test_error_is_one_line(folders, capsys, options, message):
    assert run(folders, **options) == 2
    assert error(capsys).startswith('error: ' + message.format(folders))


def test_damaged_image_is_one_line(folders, capsys):
    (folders / 'source/001.png').write_bytes(b'none')
    assert run(folders, '--workers', 2) == 2
    assert "source/001.png': it is damaged or no image" in error(capsys)


@pytest.mark.parametrize('workers', ['0', '-1'])
def test_workers_must_be_some(folders, capsys, workers):
    with pytest.raises(SystemExit):
        run(folders, f'--workers={workers}')
    assert 'must be a whole number above 0' in capsys.readouterr().err


def test_killed_run_is_continued(tmp_path):
    write_images(tmp_path / 'source', 60, size=(400, 300))
    write_images(tmp_path / 'my target', 2, shift=100)
    out = tmp_path / 'out'
    words = [TOOL, tmp_path / 'source', tmp_path / 'my target', out]
    process = subprocess.Popen(
        [sys.executable, *words, '--workers', '2'],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while len(images_of(out)) < 3:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.communicate()
    before = images_of(out)
    assert len(before) < 60
    assert not (out / 'translation.json').exists()
    assert run(tmp_path, '--workers', 1) == 0
    after = images_of(out)
    assert len(after) == 60
    assert {name: after[name] for name in before} == before
    assert not (out / '.unfinished').exists()
    assert (out / 'translation.json').exists()
