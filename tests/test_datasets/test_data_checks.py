import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from toy_images import folder_config, make_folder, make_label

from mmuda.datasets import (
    DomainDataset,
    check_dataset,
    describe_domains,
    scan_dataset,
)
from mmuda.datasets.checks import folder_without_labels
from mmuda.registry import DATASETS
from mmuda.utils.errors import DataError

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools/misc/check_data.py'


def build(root, **options):
    return DATASETS.build(folder_config(root, **options))


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_description(tmp_path):
    root = make_folder(tmp_path, ['a', 'b'], ids=9)
    ids = np.full((8, 12), 9, np.uint8)
    ids[:4] = 255
    make_label(root / 'labels/a.png', ids)
    dataset = DomainDataset(
        source=folder_config(root), target=folder_config(root, labels=False)
    )
    assert describe_domains(dataset) == [
        f'source: 2 images, first {root}/images/a.jpg (12x8), '
        '50% ignored, classes: car',
        f'target: 2 images, first {root}/images/a.jpg (12x8), labels not read',
    ]


def test_description_of_a_single_data_set(tmp_path):
    lines = describe_domains(build(make_folder(tmp_path, ['a'])))
    assert len(lines) == 1
    assert lines[0].startswith('FolderDataset: 1 images')


def test_damaged_first_sample(tmp_path):
    make_folder(tmp_path, ['a'])
    cut(tmp_path / 'images/a.jpg')
    with pytest.raises(DataError, match=r'images/a\.jpg'):
        check_dataset(build(tmp_path))


def test_scan_of_sound_data(tmp_path):
    make_folder(tmp_path, ['a', 'b'])
    assert scan_dataset(build(tmp_path), progress=False) == []


def test_scan_reports_every_fault_in_order(tmp_path):
    make_folder(tmp_path, 'abcde')
    cut(tmp_path / 'images/b.jpg')
    make_label(tmp_path / 'labels/c.png', np.full((8, 12), 10, np.uint8))
    make_label(tmp_path / 'labels/e.png', np.zeros((8, 11), np.uint8))
    faults = scan_dataset(build(tmp_path), workers=2, progress=False)
    assert len(faults) == 3
    assert 'images/b.jpg' in faults[0]
    assert 'ids [10]' in faults[1]
    assert 'is 11x8' in faults[2]


def test_scan_respects_the_options_of_the_pipeline(tmp_path):
    make_folder(tmp_path, ['a'])
    make_label(tmp_path / 'labels/a.png', np.zeros((8, 11), np.uint8))
    step = {'type': 'LoadLabels', 'resize_mismatch': True}
    assert scan_dataset(build(tmp_path, pipeline=[step]), progress=False) == []


@pytest.mark.parametrize('empty', [False, True])
def test_labels_that_are_all_missing(tmp_path, empty):
    shutil.rmtree(make_folder(tmp_path, ['a', 'b']) / 'labels')
    if empty:
        (tmp_path / 'labels/deeper').mkdir(parents=True)
    folder = folder_without_labels(folder_config(tmp_path))
    assert folder == str(tmp_path / 'labels')


def test_one_label_of_two_is_missing(tmp_path):
    (make_folder(tmp_path, ['a', 'b']) / 'labels/a.png').unlink()
    assert folder_without_labels(folder_config(tmp_path)) is None


def test_labels_that_nobody_asks_for(tmp_path):
    make_folder(tmp_path, ['a'])
    config = folder_config(tmp_path, labels=False)
    assert folder_without_labels(config) is None


def test_labels_and_images_are_missing(tmp_path):
    tmp_path.joinpath('images').mkdir()
    with pytest.raises(DataError, match='no image'):
        folder_without_labels(folder_config(tmp_path))


def test_data_set_of_others():
    assert folder_without_labels(dict(type='mmseg.ADE20KDataset')) is None


def run_tool(tmp_path, *options):
    config = tmp_path / 'config.py'
    dataset = {
        'type': 'DomainDataset',
        'source': folder_config(tmp_path / 'data'),
        'target': folder_config(tmp_path / 'data', labels=False),
    }
    config.write_text(f'train_dataloader = dict(dataset={dataset!r})\n')
    return subprocess.run(
        [sys.executable, str(TOOL), str(config), *options],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
    )


def test_tool_on_sound_data(tmp_path):
    make_folder(tmp_path / 'data', ['a', 'b'])
    result = run_tool(tmp_path, '--all')
    assert result.returncode == 0
    assert 'source: 2 images' in result.stdout
    assert 'no fault found' in result.stdout


def test_tool_names_the_faulty_file(tmp_path):
    make_folder(tmp_path / 'data', ['a', 'b'])
    cut(tmp_path / 'data/labels/b.png')
    result = run_tool(tmp_path, '--all')
    assert result.returncode == 1
    assert 'labels/b.png' in result.stderr
    assert 'Traceback' not in result.stderr


def test_tool_on_missing_data(tmp_path):
    result = run_tool(tmp_path)
    assert result.returncode == 1
    assert 'data_root' in result.stderr
    assert 'Traceback' not in result.stderr
