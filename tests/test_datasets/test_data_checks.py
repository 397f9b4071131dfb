import os
import re
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import warm_processes
from mmengine.dataset import ConcatDataset
from toy_images import (
    LOAD,
    folder_config,
    make_folder,
    make_image,
    make_label,
)
from toy_polygons import polygon_file

from mmuda.datasets import (
    DomainDataset,
    check_dataset,
    describe_domains,
    scan_dataset,
)
from mmuda.datasets.data_checks import describe_left_out
from mmuda.registry import DATASETS
from mmuda.utils.errors import DataError

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools/misc/check_data.py'
SKY = [(0, 0), (5, 0), (5, 3), (0, 3)]


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
        f'source: 2 images, 2 read, first {root}/images/a.jpg (12x8), '
        '25% ignored, classes: car',
        f'target: 2 images, 2 read, first {root}/images/a.jpg (12x8), '
        'labels not read',
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


@pytest.mark.parametrize(
    ('channels', 'color_type', 'fault'),
    [
        ([3, 4, 3], 'unchanged', r"3 \('.*/0\.png'\) and 4 \('.*/1\.png'\)"),
        ([4, 3, 3], 'unchanged', r"4 \('.*/0\.png'\) and 3 \('.*/1\.png'\)"),
        ([3, 4, 3], 'color', None),
        ([4, 4], 'unchanged', None),
        # Grey is taken for all that there is a mean for.
        ([1, 3], 'unchanged', None),
    ],
)
def test_images_of_other_channels(tmp_path, channels, color_type, fault):
    (tmp_path / 'images').mkdir()
    for key, count in enumerate(channels):
        pixels = np.zeros((8, 12, count), np.uint8)
        cv2.imwrite(str(tmp_path / f'images/{key}.png'), pixels)
    pipeline = [dict(type='LoadImage', color_type=color_type)]
    options = dict(labels=False, img_suffix='.png', pipeline=pipeline)
    faults = scan_dataset(build(tmp_path, **options), progress=False)
    assert len(faults) == (fault is not None)
    assert fault is None or re.search(fault, faults[0])


# Polygons without an area


def make_polygons(root, counts):
    """Write labels of IDD, each with so many polygons without an area."""
    for i, count in enumerate(counts):
        make_image(root / f'images/{i}_leftImg8bit.png', i, (4, 6))
        label = root / f'labels/{i}_gtFine_polygons.json'
        label.parent.mkdir(exist_ok=True)
        objects = [('car', [], {})] * count
        label.write_bytes(polygon_file(('sky', SKY, {}), *objects))
    return root


def polygons(root, **options):
    options = dict(type='IDDDataset', label_set='cityscapes19', **options)
    return build(root, **options)


@pytest.mark.parametrize('cache', ['label_cache', None])
def test_polygons_left_out_are_summed(tmp_path, cache):
    dataset = polygons(make_polygons(tmp_path, [2, 0, 5]), label_cache=cache)
    # a second reading neither counts twice nor forgets
    for _ in range(2):
        assert scan_dataset(dataset, workers=3, progress=False) == []
        assert describe_left_out(dataset) == [
            'IDDDataset: left out 7 polygons with less than three different '
            'vertices, in 2 of the labels that were read'
        ]


def test_polygons_left_out_of_some_drawings_that_are_kept(tmp_path):
    make_polygons(tmp_path, [2, 0, 5])
    assert polygons(tmp_path, pipeline=LOAD)[2]['gt_seg_map'].max() == 10
    dataset = polygons(tmp_path)
    scan_dataset(dataset, progress=False)
    assert 'left out 7 polygons' in describe_left_out(dataset)[0]


def test_polygons_left_out_of_each_of_several_data_sets(tmp_path):
    dataset = ConcatDataset(
        [
            polygons(make_polygons(tmp_path / name, [count]))
            for name, count in (('a', 2), ('b', 3))
        ]
    )
    assert scan_dataset(dataset, progress=False) == []
    lines = describe_left_out(dataset)
    assert [line[:28] for line in lines] == [
        f'ConcatDataset[{i}]: left out {n}' for i, n in ((0, 2), (1, 3))
    ]


def test_nothing_is_left_out_of_other_labels(tmp_path):
    dataset = build(make_folder(tmp_path, ['a']))
    assert scan_dataset(dataset, progress=False) == []
    assert describe_left_out(dataset) == []


# The tool


def run_tool(tmp_path, *options, **domain):
    config = tmp_path / 'config.py'
    dataset = {
        'type': 'DomainDataset',
        'source': folder_config(tmp_path / 'data', **domain),
        'target': folder_config(tmp_path / 'data', labels=False, **domain),
    }
    config.write_text(f'train_dataloader = dict(dataset={dataset!r})\n')
    return warm_processes.run(
        [sys.executable, str(TOOL), str(config), *options],
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


def test_tool_sums_polygons_left_out(tmp_path):
    make_polygons(tmp_path / 'data', [1, 3])
    options = dict(type='IDDDataset', label_set='cityscapes19')
    result = run_tool(tmp_path, '--all', **options)
    assert result.returncode == 0
    assert '  source: left out 4 polygons with' in result.stdout
    assert 'target: left out' not in result.stdout
