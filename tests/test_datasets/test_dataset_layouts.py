import numpy as np
import pytest
from toy_images import keys_of, make_image, make_label

from mmuda.datasets import (
    CamVidDataset,
    CARLADataset,
    CityscapesLabelIdsDataset,
    GTA5Dataset,
    SYNTHIADataset,
    UrbanSynDataset,
)


@pytest.mark.parametrize(
    ('cls', 'prefix', 'image', 'label', 'key', 'classes'),
    [
        (
            GTA5Dataset,
            ('images', 'labels'),
            '00001.png',
            '00001.png',
            '00001',
            19,
        ),
        (
            SYNTHIADataset,
            ('RGB', 'GT/LABELS'),
            '0000000.png',
            '0000000.png',
            '0000000',
            16,
        ),
        (
            CityscapesLabelIdsDataset,
            ('leftImg8bit/val', 'gtFine/val'),
            'ulm/ulm_000000_000019_leftImg8bit.png',
            'ulm/ulm_000000_000019_gtFine_labelIds.png',
            'ulm/ulm_000000_000019',
            19,
        ),
        (
            UrbanSynDataset,
            ('rgb', 'ss'),
            'rgb_0001.png',
            'ss_0001.png',
            '0001',
            19,
        ),
        (CARLADataset, ('images', 'labels'), 'a.jpg', 'a.png', 'a', 10),
        (CamVidDataset, ('images', 'labels'), 'd/a.jpg', 'd/a.png', 'd/a', 10),
    ],
)
def test_published_layouts(tmp_path, cls, prefix, image, label, key, classes):
    make_image(tmp_path / prefix[0] / image)
    ids = np.zeros((8, 12), np.uint8)
    make_label(tmp_path / prefix[1] / label, ids)
    dataset = cls(
        data_root=str(tmp_path),
        data_prefix={'img_path': prefix[0], 'seg_map_path': prefix[1]},
    )
    assert keys_of(dataset) == [key]
    assert len(dataset.metainfo['classes']) == classes
    coloured = cls in (SYNTHIADataset, UrbanSynDataset)
    assert dataset.label_channel == (0 if coloured else None)


def test_cityscapes_split_list_names_files(tmp_path):
    name = 'ulm/ulm_000000_000019_leftImg8bit.png'
    make_image(tmp_path / 'leftImg8bit/train' / name)
    (tmp_path / 'train.txt').write_text(name)
    dataset = CityscapesLabelIdsDataset(
        data_root=str(tmp_path),
        data_prefix={'img_path': 'leftImg8bit/train'},
        ann_file='train.txt',
    )
    assert keys_of(dataset) == ['ulm/ulm_000000_000019']


@pytest.mark.parametrize(
    ('cls', 'ids', 'train_ids'),
    [
        (GTA5Dataset, [7, 22, 34], [0, 9, 255]),
        (SYNTHIADataset, [3, 11, 22], [0, 15, 255]),
        (CityscapesLabelIdsDataset, [7, 30, 255], [0, 255, 255]),
        (UrbanSynDataset, [0, 18, 19], [0, 18, 255]),
        (CARLADataset, [13, 18, 255], [9, 255, 255]),
    ],
)
def test_default_tables(tmp_path, cls, ids, train_ids):
    dataset = cls(
        data_root=str(tmp_path),
        data_prefix={'img_path': 'images'},
        lazy_init=True,
    )
    assert dataset.label_lut[ids].tolist() == train_ids
