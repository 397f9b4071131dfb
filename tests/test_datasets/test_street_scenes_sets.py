"""Streets of further sets are read by their data sets, with the labels drawn.

Train ids that a file can't hold (of what old tags of CARLA merge) are those
of what it holds instead.
"""

import numpy as np
import pytest
from toy_images import keys_of

from mmuda.datasets import examine_dataset
from mmuda.datasets.images.image_io import read_image
from mmuda.registry import DATASETS
from mmuda.utils.errors import ConfigError
from street_scenes import (
    get_domain,
    render_scene,
    write_acdc,
    write_carla,
    write_dark_zurich,
    write_urbansyn,
)
from street_scenes.layouts import CARLALayout
from street_scenes.weather import in_weather

SIZE = (128, 72)
SMALL = dict(size=SIZE, progress=False)
LOAD = [dict(type='LoadImage'), dict(type='LoadLabels')]
CONDITIONS = ('fog', 'night', 'rain', 'snow')
VAL = 10_000_000  # number of the first scene of the second split
# Vehicles are cars in old tags, and riders persons.
MERGED = dict.fromkeys(range(14, 19), 13) | {12: 11}


def build(kind, root, images, labels, **options):
    prefix = dict(img_path=images, seg_map_path=labels)
    config = dict(type=kind, data_root=str(root), data_prefix=prefix)
    return DATASETS.build(dict(config, pipeline=LOAD, **options))


def drawn(domain, numbers):
    """Labels of some scenes, bytes of each."""
    return [render_scene(domain, 0, number, SIZE)[1] for number in numbers]


def read(dataset):
    return [sample['gt_seg_map'] for sample in dataset]


def test_urbansyn(tmp_path):
    write_urbansyn(tmp_path, 3, **SMALL)
    dataset = build('UrbanSynDataset', tmp_path, 'rgb', 'ss')
    assert keys_of(dataset) == ['0001', '0002', '0003']
    np.testing.assert_equal(read(dataset), drawn('synscapes', range(3)))


@pytest.mark.parametrize(
    ('version', 'table'), [('0.9.14', 'carla'), ('0.9.13', 'carla_0.9.13')]
)
def test_carla(tmp_path, version, table):
    """The numbering is told by the streets alone."""
    write_carla(tmp_path, 6, version, **SMALL)
    dataset = build('CARLATagsDataset', tmp_path, 'rgb', 'semantic')
    assert dataset.id_list == table
    labels = drawn('synthia', range(6))
    if version == '0.9.13':
        for old, new in MERGED.items():
            for label in labels:
                label[label == old] = new
    np.testing.assert_equal(read(dataset), labels)
    report = examine_dataset(dataset, every=True)
    assert not report.faults + report.doubts


def test_a_version_of_carla_that_is_none():
    with pytest.raises(ConfigError, match=r"no version '0.8'.*0.9.14, 0.9.13"):
        CARLALayout('0.8')


def test_acdc(tmp_path):
    write_acdc(tmp_path, dict(train=4, val=8), **SMALL)
    dataset = build('ACDCDataset', tmp_path, 'rgb_anon/*/val', 'gt/*/val')
    numbers = [VAL + n for n in range(8)]
    base = get_domain('cityscapes')
    assert keys_of(dataset) == [
        f'{condition}/GOPR03{at}6/GOPR03{at}6_frame_{frame:06d}'
        for at, condition in enumerate(CONDITIONS)
        for frame in (1, 2)
    ]
    for at, condition in enumerate(CONDITIONS):
        weather = in_weather(base, condition)
        labels = drawn(weather, [numbers[at], numbers[at + 4]])
        found = read(dataset)[2 * at : 2 * at + 2]
        np.testing.assert_equal(found, labels)
    images = list(tmp_path.glob('rgb_anon/*/train/*/*_rgb_anon.png'))
    assert len(images) == 4
    assert not list(tmp_path.glob('gt/*/train'))


def test_acdc_with_labels_of_training(tmp_path):
    write_acdc(tmp_path, dict(train=4), with_train_labels=True, **SMALL)
    dataset = build('ACDCDataset', tmp_path, 'rgb_anon/*/train', 'gt/*/train')
    assert len(dataset) == 4


def test_dark_zurich(tmp_path):
    write_dark_zurich(tmp_path, dict(train=4, val=2), **SMALL)
    dataset = build('DarkZurichDataset', tmp_path, 'rgb_anon/val', 'gt/val')
    night = in_weather(get_domain('cityscapes'), 'night')
    np.testing.assert_equal(read(dataset), drawn(night, [VAL, VAL + 1]))
    train = build('DarkZurichDataset', tmp_path, 'rgb_anon/train', None)
    times = [key.partition('/')[0] for key in keys_of(train)]
    assert times == ['day', 'night', 'night', 'twilight']


def test_conditions_look_as_they_are_called(tmp_path):
    write_acdc(tmp_path, dict(val=16), **SMALL)
    mean = {}
    for condition in CONDITIONS:
        paths = tmp_path.glob(f'rgb_anon/{condition}/val/*/*')
        mean[condition] = np.mean([read_image(path) for path in paths])
    night, *_, snow = sorted(CONDITIONS, key=mean.get)
    assert (night, snow) == ('night', 'snow')
    others = [value for name, value in mean.items() if name != 'night']
    assert mean['night'] < 0.5 * min(others)
