import numpy as np
import pytest
from toy_images import folder_config, make_folder, make_label

from mmuda.datasets import EvaluateAtInputSize, LoadLabels
from mmuda.registry import DATASETS
from mmuda.utils.errors import ConfigError

IDS = np.arange(8 * 12, dtype=np.uint8).reshape(8, 12) % 10


def item(root, *steps):
    """The packed sample of an image 12x8 with labels loaded first."""
    make_folder(root, ['a'])
    make_label(root / 'labels/a.png', IDS)
    pipeline = [
        dict(type='LoadImage'),
        dict(type='LoadLabels'),
        *steps,
        dict(type='EvaluateAtInputSize'),
        dict(type='PackDomainInputs', meta_keys=('ori_shape', 'padding_size')),
    ]
    dataset = DATASETS.build(folder_config(root, pipeline=pipeline))
    return dataset[0]['data_samples']


def test_label_has_the_size_of_the_resized_image(tmp_path):
    resize = dict(type='Resize', scale=(6, 4), backend='pillow')
    sample = item(tmp_path, resize)
    # Every second pixel, as of the centre of two by two.
    assert sample.gt_sem_seg.data[0].tolist() == IDS[1::2, 1::2].tolist()


def test_predictions_come_out_at_that_size(tmp_path):
    sample = item(tmp_path, dict(type='Resize', scale=(6, 4)))
    assert sample.metainfo == dict(ori_shape=(4, 6))


def test_padding_is_judged_as_ignored(tmp_path):
    box = (6, 6)
    sample = item(
        tmp_path,
        dict(type='ResizeToFit', scale=box),
        dict(type='PadToSize', size=box),
    )
    labels = sample.gt_sem_seg.data[0].numpy()
    assert (labels[4:] == 255).all()
    assert (labels[:4] != 255).all()
    assert sample.metainfo == dict(ori_shape=(6, 6))


def test_image_without_labels():
    results = dict(img=np.zeros((4, 6, 3)), ori_shape=(8, 12))
    # As of an image that comes from no data set.
    changed = EvaluateAtInputSize()(LoadLabels()(results))
    assert changed['ori_shape'] == (4, 6)


def test_labels_that_were_not_resized():
    results = dict(
        img=np.zeros((4, 6, 3)),
        gt_seg_map=IDS,
        seg_fields=['gt_seg_map'],
    )
    with pytest.raises(ConfigError, match=r'\(8, 12\), the image \(4, 6\)'):
        EvaluateAtInputSize()(results)
