"""Classes that only the training, or only an evaluation, has labels of."""

import numpy as np
import pytest
from mmengine.config import Config
from tools_in_process import load_tool, run_loaded
from toy_images import LOAD, folder_config, make_image, make_label

from mmuda.datasets.class_gaps import (
    UNLABELLED,
    LabelsSeen,
    class_gap_notes,
    class_gap_warnings,
    left_out_of_means,
)
from mmuda.datasets.domain_dataset import build_domain
from mmuda.datasets.labels.label_maps import LABEL_SETS
from mmuda.registry import DATASETS

CLASSES = LABEL_SETS['carla_camvid10']
PACK = dict(type='PackDomainInputs')


def seen(name, found, unlabelled=(), read=4):
    return LabelsSeen(name, ('a', 'b', 'c', 'd'), unlabelled, found, read)


def test_what_no_label_of_a_training_can_be_is_not_learned():
    few = seen('labelled_target', ('a',), ('b', 'd'))
    source = seen('source', ('a', 'b'), ('c', 'd'))
    (line,) = class_gap_warnings([source, few])
    start = 'no id of the labels of source and labelled_target stands for d:'
    assert line.startswith(start)
    (line,) = class_gap_warnings([source])
    assert 'labels of source stands for c, d: the network does not' in line


def test_what_evaluated_labels_can_not_be_has_no_part_in_means():
    meta = dict(classes=tuple('abcd'), unlabelled_classes=('c', 'd'))
    (line,) = left_out_of_means('val', meta, True)
    assert 'val stands for c, d: their IoU there is nan' in line
    assert 'mean of the other 2 classes' in line
    (line,) = left_out_of_means('val', meta, False)
    assert 'val stands for c, d: each has an IoU of 0 there if' in line
    assert [*left_out_of_means('val', dict(classes=tuple('ab')), True)] == []


def test_classes_that_were_found_on_one_side():
    learned = [seen('source', ('a', 'b'), read=16)]
    new, gone = class_gap_notes(learned, [seen('val', ('b', 'c'), ('d',))])
    assert new.endswith('and in none of 16 of source: c')
    assert gone.endswith('and in none of 4 of val: a')


def test_nothing_to_tell():
    parts = [seen('source', tuple('abcd'))]
    assert [*class_gap_warnings(parts)] == []
    assert [*class_gap_notes(parts, parts)] == []


@pytest.fixture
def folder(tmp_path):
    """Ids 7 and 11, half of the pixels each."""
    ids = np.full((10, 20), 7, np.uint8)
    ids[5:] = 11
    for split in 'ab':
        make_image(tmp_path / f'images/{split}.jpg', size=(10, 20))
        make_label(tmp_path / f'labels/{split}.png', ids)
    return tmp_path


def config(folder, key, names, **options):
    return folder_config(
        folder,
        include=[key],
        label_map=names,
        pipeline=[*LOAD, PACK],
        **options,
    )


def without(*names):
    return tuple(name for name in CLASSES if name not in names)


@pytest.mark.parametrize('test_mode', [False, True])
def test_a_data_set_names_what_its_labels_can_not_be(folder, test_mode):
    names = {7: 'road', 11: 'car'}
    dataset = DATASETS.build(config(folder, 'a', names, test_mode=test_mode))
    assert dataset.metainfo[UNLABELLED] == without('road', 'car')
    images = config(folder, 'a', None, test_mode=True)
    images['data_prefix'] = dict(img_path='images')
    assert UNLABELLED not in DATASETS.build(images).metainfo


def test_a_concatenation_lacks_what_all_of_its_parts_lack(folder):
    parts = [
        config(folder, 'a', {7: 'road', 11: 'car'}, test_mode=True),
        config(folder, 'b', {7: 'road', 11: 'sky'}, test_mode=True),
    ]
    joined = dict(type='ConcatDataset', datasets=parts)
    for dataset in (DATASETS.build(joined), build_domain('val', parts)):
        assert dataset.metainfo[UNLABELLED] == without('road', 'car', 'sky')
        assert len(dataset) == 2
    full = config(folder, 'b', dict(enumerate(CLASSES)))
    dataset = build_domain('val', [parts[0], full])
    assert UNLABELLED not in dataset.metainfo
    parts[1]['metainfo'] = dict(town='rome')
    with pytest.raises(ValueError, match='meta information'):
        DATASETS.build(joined)


def test_check_names_them_before_training(
    folder, tmp_path, monkeypatch, capfd
):
    source = config(folder, 'a', {7: 'road', 11: 'sky', 3: 'car'})
    names = {7: 'road', 11: 'car', 5: 'sky'}
    val = config(folder, 'b', names, test_mode=True)
    loaders = dict(
        train_dataloader=dict(
            batch_size=1, dataset=dict(type='DomainDataset', source=source)
        ),
        val_dataloader=dict(batch_size=1, dataset=val),
        val_evaluator=dict(type='DomainIoUMetric', iou_metrics=['mIoU']),
        test_dataloader=[
            dict(batch_size=1, dataset=val),
            dict(batch_size=1, dataset=dict(val, indices=1)),
        ],
        test_evaluator=[
            dict(type='DomainIoUMetric', prefix='rome'),
            [dict(type='IoUMetric', prefix='oslo')],
        ],
    )
    path = tmp_path / 'config.py'
    Config(loaders).dump(path)
    tool = load_tool('misc/check_data.py')
    words = [path, '--gap-images', 0]
    code, printed = run_loaded(tool, words, monkeypatch, capfd)
    assert code == 0, printed
    lines = [line.strip() for line in printed.splitlines()]
    names = ', '.join(n for n in CLASSES if n not in ('road', 'sky', 'car'))
    assert any(
        line.startswith(
            f'WARNING no id of the labels of source stands for {names}: the'
        )
        for line in lines
    )
    (left_out,) = [line for line in lines if 'mean of the other 3' in line]
    assert 'labels of val_dataloader stands for sidewalk' in left_out
    new = [line for line in lines if line.endswith('of source: car')]
    assert [line.split()[5] for line in new] == [
        'val_dataloader',
        'test_dataloader[1]',
    ]
    (counted,) = [line for line in lines if 'each has an IoU of 0' in line]
    assert 'labels of test_dataloader[1] stands for sidewalk' in counted
    (gone,) = [line for line in lines if 'of val_dataloader: sky' in line]
    assert gone.startswith('classes in 1 labels of source')
