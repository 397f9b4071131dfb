import numpy as np
import pytest
from mmseg.datasets import BDD100KDataset as MMSegBDD100KDataset
from toy_images import keys_of, make_image, make_label

from mmuda.datasets import BDD100KDataset
from mmuda.registry import DATASETS
from mmuda.utils.errors import DataError

LOAD = [dict(type='LoadImage'), dict(type='LoadLabels')]
TRAIN_IDS = [[0, 9, 18], [11, 255, 2]]
OFFICIAL = dict(
    img_path='images/10k/val', seg_map_path='labels/sem_seg/masks/val'
)
OLDER = dict(img_path='seg/images/val', seg_map_path='seg/labels/val')


def make_bdd(root, prefix, suffix):
    ids = np.array(TRAIN_IDS, np.uint8)
    for seed, key in enumerate(('7d06fefd-f7be05a6', '7d128593-0ccfea4c')):
        make_image(root / prefix['img_path'] / f'{key}.jpg', seed, ids.shape)
        make_label(root / prefix['seg_map_path'] / f'{key}{suffix}', ids)
    return str(root)


@pytest.mark.parametrize(
    ('prefix', 'suffix', 'options'),
    [
        (OFFICIAL, '.png', {}),
        (OLDER, '_train_id.png', dict(seg_map_suffix='_train_id.png')),
    ],
)
def test_layouts(tmp_path, prefix, suffix, options):
    root = make_bdd(tmp_path, prefix, suffix)
    dataset = BDD100KDataset(
        data_root=root, data_prefix=prefix, pipeline=LOAD, **options
    )
    assert keys_of(dataset) == ['7d06fefd-f7be05a6', '7d128593-0ccfea4c']
    assert dataset[1]['gt_seg_map'].tolist() == TRAIN_IDS


@pytest.mark.parametrize(
    'label_set', ['seven_class', 'seven_class_consistent']
)
def test_seven_classes(tmp_path, label_set):
    root = make_bdd(tmp_path, OFFICIAL, '.png')
    dataset = BDD100KDataset(
        data_root=root,
        data_prefix=OFFICIAL,
        pipeline=LOAD,
        label_set=label_set,
    )
    expected = [[0, 3, 6], [5, 255, 1]]
    assert dataset[0]['gt_seg_map'].tolist() == expected


def test_the_suffix_of_the_other_layout(tmp_path):
    root = make_bdd(tmp_path, OLDER, '_train_id.png')
    with pytest.raises(DataError, match=r'2 file.*correct seg_map_suffix'):
        BDD100KDataset(data_root=root, data_prefix=OLDER)


def test_the_name_is_ours_and_not_mmsegs(tmp_path):
    config = dict(
        type='BDD100KDataset',
        data_root=make_bdd(tmp_path, OFFICIAL, '.png'),
        data_prefix=dict(img_path='images/10k/val'),
    )
    assert type(DATASETS.build(config)) is BDD100KDataset
    assert BDD100KDataset is not MMSegBDD100KDataset
