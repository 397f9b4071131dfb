"""The data of the configs with several targets, on toy street scenes."""

import copy

import numpy as np
import pytest
from mtda_leaves import domains_of, load, size_of

from mmuda.datasets import DomainIndex
from mmuda.pseudo_labels.labelling_options import (
    PseudoLabelOptions,
    dataset_to_label,
)
from mmuda.registry import DATASETS
from mmuda.utils.config_data import (
    override_data_roots,
)
from street_scenes import (
    write_cityscapes,
    write_gta5,
    write_idd,
    write_mapillary,
)

FOLDERS = dict(
    gta5='GTA5', cityscapes='Cityscapes', mapillary='Mapillary', idd='IDD'
)
OPTIONS = dict(size=(96, 48), workers=1, progress=False)
MTAF = ('multi_dis_deeplabv2-r101_g2cmi', 'multi_dis_deeplabv2-r101_g2cmi_19')
REAL = (
    'mtkt_deeplabv2-r101_c2mi',
    'mtkt_deeplabv2-r101_i2cm',
    'mtkt_deeplabv2-r101_m2ci',
)
LOADED = ('pseudo_soft_seg', 'weak_image')


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """One training and one validation image of each data set."""
    folder = tmp_path_factory.mktemp('data')
    counts = dict(train=1, val=1)
    write_gta5(folder / 'GTA5', 1, **OPTIONS)
    for name, write in (
        ('Cityscapes', write_cityscapes),
        ('IDD', write_idd),
        ('Mapillary', write_mapillary),
    ):
        write(folder / name, counts, with_train_labels=True, **OPTIONS)
    return folder


def config(leaf, data):
    """The config on the toy data; there are no pseudo-labels yet."""
    cfg = copy.deepcopy(load(leaf))
    source, targets = domains_of(leaf)
    roots = {name: data / FOLDERS[name] for name in targets}
    override_data_roots(cfg, dict(source=data / FOLDERS[source], **roots))
    for dataset in cfg.train_dataloader.dataset.targets.values():
        for transform in dataset.pipeline:
            if transform.type == 'LoadSoftPseudoLabels':
                transform.pseudo_label_root = str(data / 'none')
                transform.allow_missing = True
    return cfg


def sample(leaf, data, seed=0):
    """One training sample of all domains."""
    dataset = DATASETS.build(config(leaf, data).train_dataloader.dataset)
    return dataset[DomainIndex((0,) * len(dataset.domains), seed)]


def validation(leaf, data, target):
    cfg = config(leaf, data)
    number = domains_of(leaf)[1].index(target)
    return DATASETS.build(cfg.val_dataloader[number].dataset)[0]


@pytest.mark.parametrize(
    ('leaf', 'size'),
    [
        *((leaf, (320, 640)) for leaf in (MTAF[0], *REAL)),
        (MTAF[1], (512, 1024)),
        ('coast_aspp-r101_g2cmi', (160, 320)),
        ('mlcl_aspp-r101_m2ci', (160, 320)),
        ('warm_up_aspp-r101_g2cmi', (160, 320)),
        ('mlcl_aspp-r101_g2cmi_19', (256, 512)),
        ('warm_up_aspp-r101_g2cmi_19', (256, 512)),
        ('mlcl_aspp-mit-b5_g2ci_960x480', (240, 480)),
    ],
)
def test_size_of_training_images(leaf, size, data):
    item = sample(leaf, data)
    shapes = {tuple(image.shape) for image in item['inputs'].values()}
    assert shapes == {(3, *size)}
    source = item['data_samples']['source'].gt_sem_seg.data
    assert source.shape == (1, *size)


@pytest.mark.parametrize('leaf', [*MTAF, *REAL, 'mlcl_aspp-r101_i2cm'])
def test_source_is_labelled(leaf, data):
    label = sample(leaf, data)['data_samples']['source'].gt_sem_seg.data
    known = label[label != 255]
    assert len(known) > 0.5 * label.numel()
    assert int(known.max()) < load(leaf).num_classes


def test_images_are_scaled_at_random(data):
    """From half to one and a half times 640 pixels."""
    steps = config(
        'coast_aspp-r101_g2ci', data
    ).train_dataloader.dataset.source
    loaders = [
        t for t in steps.pipeline if t.type in ('LoadImage', 'RandomResize')
    ]
    dataset = DATASETS.build(dict(steps, pipeline=loaders))
    np.random.seed(0)
    widths = [dataset[0]['img'].shape[1] for _ in range(20)]
    assert 320 <= min(widths) < 420
    assert 860 < max(widths) < 960


@pytest.mark.parametrize(
    ('leaf', 'count'),
    [('coast_aspp-r101_g2cm', 7), ('mlcl_aspp-r101_g2cm_19', 19)],
)
def test_targets_of_stage_1_have_soft_labels(leaf, count, data):
    targets = sample(leaf, data)['data_samples']
    for name in ('cityscapes', 'mapillary'):
        soft = targets[name].pseudo_soft_seg.data
        width, height = size_of(leaf)
        assert soft.shape == (count, height // 2, width // 2)


def test_targets_of_stage_1_are_augmented_after_their_colours(data):
    """Cutout leaves a grey square in the image, not in the weak one."""
    item = sample('mlcl_aspp-r101_g2ci', data)
    weak = item['data_samples']['cityscapes'].weak_image.data.numpy()
    image = item['inputs']['cityscapes'].numpy()
    grey = [(pixels == 127).all(axis=0).sum() for pixels in (weak, image)]
    assert grey[0] < 50 < grey[1]
    assert not np.array_equal(weak, image)


@pytest.mark.parametrize(
    'leaf', ['warm_up_aspp-r101_g2cm', 'warm_up_aspp-r101_g2ci_19']
)
def test_targets_of_the_warm_up_are_augmented_weakly(leaf, data):
    samples = sample(leaf, data)['data_samples']
    for name in domains_of(leaf)[1]:
        assert [key for key in LOADED if key in samples[name]] == []


@pytest.mark.parametrize(
    ('leaf', 'target', 'size'),
    [
        ('multi_dis_deeplabv2-r101_g2cmi', 'cityscapes', (320, 640)),
        ('multi_dis_deeplabv2-r101_g2cmi_19', 'mapillary', (512, 1024)),
        ('mlcl_aspp-r101_g2cmi', 'mapillary', (320, 640)),
        ('mlcl_aspp-r101_g2cmi_19', 'idd', (512, 1024)),
        ('mlcl_aspp-mit-b5_g2ci_960x480', 'idd', (480, 960)),
    ],
)
def test_validation_resizes_the_image_only(leaf, target, size, data):
    item = validation(leaf, data, target)
    assert item['inputs'].shape == (3, *size)
    label = item['data_samples'].gt_sem_seg.data
    assert label.shape[1:] == item['data_samples'].ori_shape


@pytest.mark.parametrize('leaf', MTAF)
def test_padding_of_vistas_is_left_out_of_predictions(leaf, data):
    item = validation(leaf, data, 'mapillary')['data_samples']
    height, width = item.ori_shape
    _, right, _, bottom = item.padding_size
    columns, rows = size_of(leaf)
    shape = (columns - right) / (rows - bottom)
    assert shape == pytest.approx(width / height, rel=0.02)


@pytest.mark.parametrize(
    ('leaf', 'size'),
    [
        ('coast_aspp-r101_g2ci', (320, 640)),
        ('mlcl_aspp-r101_g2ci_19', (512, 1024)),
    ],
)
def test_whole_images_are_labelled(leaf, size, data):
    cfg = config(leaf, data)
    options = PseudoLabelOptions.from_config(cfg)
    chosen = dataset_to_label(cfg, options.pipeline, 'idd')
    assert DATASETS.build(chosen)[0]['inputs'].shape == (3, *size)
