import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from PIL import Image
from tiny_models import segmentor_config
from toy_images import keys_of, make_image, make_label

from mmuda.datasets import (
    MapillaryVistasDataset,
    PadToSize,
    ResizeToFit,
    describe_domains,
)
from mmuda.datasets.labels.label_maps import label_table
from mmuda.evaluation import DomainIoUMetric
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError, DataError

# Written down from the published tables, ids that are not here are ignored.
MAPILLARY_7 = {
    2: 1, 3: 1, 4: 1, 5: 1, 6: 1, 7: 0, 8: 0, 9: 0, 10: 0, 11: 0, 12: 0,
    13: 0, 14: 0, 15: 0, 16: 1, 17: 1, 18: 1, 19: 5, 20: 5, 21: 5, 22: 5,
    23: 0, 24: 0, 27: 4, 29: 0, 30: 3, 43: 2, 44: 2, 45: 2, 46: 2, 47: 2,
    48: 2, 49: 2, 50: 2, 52: 6, 53: 6, 54: 6, 55: 6, 56: 6, 57: 6, 58: 6,
    59: 6, 60: 6, 61: 6, 62: 6,
}  # fmt: skip
MAPILLARY_19 = {
    3: 4, 6: 3, 13: 0, 15: 1, 17: 2, 19: 11, 20: 12, 21: 12, 22: 12, 27: 10,
    29: 9, 30: 8, 45: 5, 48: 6, 49: 7, 50: 7, 52: 18, 54: 15, 55: 13, 57: 17,
    58: 16, 61: 14,
}  # fmt: skip
MAPILLARY_16 = {
    3: 4, 6: 3, 13: 0, 15: 1, 17: 2, 19: 10, 20: 11, 21: 11, 22: 11, 27: 9,
    30: 8, 45: 5, 48: 6, 49: 7, 50: 7, 52: 15, 54: 13, 55: 12, 57: 14,
}  # fmt: skip
OFFICIAL = ('validation/images', 'validation/labels')
LOAD = [dict(type='LoadImage'), dict(type='LoadLabels')]


def make_vistas(root, ids=((13, 24), (55, 65)), keys='ab', folders=OFFICIAL):
    """Write images, and palette labels that all hold the same ids."""
    for seed, key in enumerate(keys):
        ids = np.array(ids, np.uint8)
        make_image(root / folders[0] / f'{key}.jpg', seed, ids.shape)
        make_label(root / folders[1] / f'{key}.png', ids, palette=True)
    return root


def vistas(root, folders=OFFICIAL, **options):
    return MapillaryVistasDataset(
        data_root=str(root),
        data_prefix=dict(img_path=folders[0], seg_map_path=folders[1]),
        **dict(label_set='seven_class', pipeline=LOAD) | options,
    )


@pytest.mark.parametrize(
    ('label_set', 'trained'),
    [
        ('seven_class', MAPILLARY_7),
        ('cityscapes19', MAPILLARY_19),
        ('synthia16', MAPILLARY_16),
    ],
)
def test_every_id_of_every_table(label_set, trained):
    expected = {i: trained.get(i, 255) for i in range(66)}
    assert label_table('mapillary_vistas', label_set) == expected


# The data set


@pytest.mark.parametrize(
    'folders',
    [
        OFFICIAL,
        ('val/images', 'val/labels'),
        ('validation/images', 'validation/v1.2/labels'),
    ],
)
def test_layouts(tmp_path, folders):
    dataset = vistas(make_vistas(tmp_path, folders=folders), folders)
    assert keys_of(dataset) == ['a', 'b']
    assert dataset[1]['gt_seg_map'].tolist() == [[0, 0], [6, 255]]


def test_nineteen_classes_are_the_default(tmp_path):
    make_vistas(tmp_path)
    dataset = MapillaryVistasDataset(
        data_root=str(tmp_path), data_prefix=dict(img_path=OFFICIAL[0])
    )
    assert len(dataset.metainfo['classes']) == 19
    assert dataset.label_lut[[13, 24, 55, 65]].tolist() == [0, 255, 13, 255]


def test_labels_of_v2_are_refused_at_once(tmp_path):
    make_vistas(tmp_path, ids=[[21, 61], [108, 123]])
    with pytest.raises(
        DataError, match=r'a\.png.* 123, .*ends at 65\..* v2\.0 .*v1\.2/labels'
    ):
        vistas(tmp_path)


def test_a_later_label_of_v2_is_refused_when_read(tmp_path):
    make_vistas(tmp_path)
    make_vistas(tmp_path, ids=[[66, 13]], keys='b')
    dataset = vistas(tmp_path)
    assert dataset[0]['gt_seg_map'].shape == (2, 2)
    with pytest.raises(DataError, match=r'b\.png.* 66, .*v2\.0 '):
        dataset[1]


def test_other_faults_keep_their_message(tmp_path):
    make_vistas(tmp_path)
    (tmp_path / OFFICIAL[0] / 'b.jpg').write_bytes(b'')
    with pytest.raises(DataError, match=r'b\.jpg.*damaged'):
        vistas(tmp_path)[1]


def test_labels_of_v2_with_a_table_of_ones_own(tmp_path):
    make_vistas(tmp_path, ids=[[21, 61, 108]])
    dataset = vistas(tmp_path, label_table={21: 0, 61: 4, 'others': 255})
    assert dataset[0]['gt_seg_map'].tolist() == [[0, 4, 255]]


def test_unlabelled_images_need_no_labels(tmp_path):
    make_vistas(tmp_path, ids=[[123]])
    dataset = vistas(tmp_path, (OFFICIAL[0], None), pipeline=LOAD[:1])
    assert dataset[0]['img'].shape == (1, 1, 3)


def test_data_check_reads_it(tmp_path):
    (line,) = describe_domains(vistas(make_vistas(tmp_path)))
    assert line.endswith('(2x2), 25% ignored, classes: flat, vehicle')


# Fitting and padding


def sample(size):
    """Return an image (H, W) whose blue channel equals its label map."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    return dict(
        img=image,
        gt_seg_map=image[..., 0].copy(),
        pseudo_seg_map=image[..., 0].copy(),
        seg_fields=['gt_seg_map', 'pseudo_seg_map'],
    )


@pytest.mark.parametrize(
    ('size', 'fitted'),
    [
        ((400, 300), (1024, 768)),
        ((300, 400), (576, 768)),
        ((192, 108), (1024, 576)),
        ((400, 301), (1020, 768)),
        ((407, 300), (1024, 754)),
        ((3000, 2), (1024, 1)),
        ((1, 3000), (1, 768)),
    ],
)
def test_size_inside_the_box(size, fitted):
    results = ResizeToFit(scale=(1024, 768))(sample(size[::-1]))
    assert results['img'].shape == (*fitted[::-1], 3)
    assert results['gt_seg_map'].shape == fitted[::-1]
    assert results['pseudo_seg_map'].shape == fitted[::-1]


def test_fitting_is_pillows():
    before = sample((40, 30))
    fit = ResizeToFit(scale=(16, 12), backend='pillow')
    after = fit(sample((40, 30)))
    image = Image.fromarray(before['img']).resize((9, 12), Image.BICUBIC)
    label = Image.fromarray(before['gt_seg_map'])
    label = label.resize((9, 12), Image.NEAREST)
    assert np.array_equal(after['img'], np.asarray(image))
    assert np.array_equal(after['gt_seg_map'], np.asarray(label))


def test_padding_is_right_and_below():
    before, results = sample((3, 4)), PadToSize(size=(6, 5))(sample((3, 4)))
    assert np.array_equal(results['img'][:3, :4], before['img'])
    assert results['img'].shape == (5, 6, 3)
    assert not results['img'][3:].any()
    assert not results['img'][:, 4:].any()
    assert results['padding_size'] == (0, 2, 0, 2)
    assert results['img_shape'] == results['pad_shape'][:2] == (5, 6)


@pytest.mark.parametrize('field', ['gt_seg_map', 'pseudo_seg_map'])
def test_padding_is_ignored(field):
    before, results = sample((3, 4)), PadToSize(size=(6, 5))(sample((3, 4)))
    assert np.array_equal(results[field][:3, :4], before[field])
    assert (results[field][3:] == 255).all()
    assert (results[field][:, 4:] == 255).all()


def test_nothing_to_pad():
    results = PadToSize(size=(4, 3))(sample((3, 4)))
    assert np.array_equal(results['img'], sample((3, 4))['img'])
    assert results['padding_size'] == (0, 0, 0, 0)


def test_image_larger_than_the_padded_size():
    with pytest.raises(ConfigError, match=r'\(4, 2\).*4x3; put ResizeToFit'):
        PadToSize(size=(4, 2))(sample((3, 4)))


# Evaluation


def predicted(tmp_path):
    """Predict class 2 in the padding, 0 and 1 left and right in the image."""
    ids = np.repeat([[13] * 12 + [55] * 12], 32, axis=0)
    make_vistas(tmp_path, ids, keys='a')
    box = dict(type='PadToSize', size=(24, 16))
    pack = dict(
        type='PackDomainInputs', meta_keys=('ori_shape', 'padding_size')
    )
    steps = [LOAD[0], dict(type='ResizeToFit', scale=(24, 16)), box, LOAD[1]]
    dataset = vistas(tmp_path, pipeline=[*steps, pack])
    data_sample = dataset[0]['data_samples']
    logits = torch.zeros(1, 3, 16, 24)
    logits[:, 0, :, :6] = 1
    logits[:, 1, :, 6:12] = 1
    logits[:, 2, :, 12:] = 1
    segmentor = MODELS.build(segmentor_config())
    return segmentor.postprocess_result(logits, [data_sample])[0]


def test_prediction_is_cut_to_the_image_at_its_own_size(tmp_path):
    label = predicted(tmp_path).pred_sem_seg.data[0]
    assert label.shape == (32, 24)
    assert (label[:, :12] == 0).all()
    assert (label[:, 12:] == 1).all()


def test_padding_is_not_evaluated(tmp_path):
    result = predicted(tmp_path)
    # the label's classes are 0 (flat) and 6 (vehicle)
    result.pred_sem_seg = PixelData(data=result.pred_sem_seg.data * 6)
    metric = DomainIoUMetric(iou_metrics=['mIoU'])
    metric.dataset_meta = dict(classes=tuple('abcdefg'))
    metric.process({}, [result.to_dict()])
    assert metric.evaluate(1)['mIoU'] == 100.0
