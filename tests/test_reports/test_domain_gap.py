"""How far domains are apart, in numbers and in words."""

from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from mmengine.dataset import Compose
from PIL import Image

from mmuda.registry import DATASETS
from mmuda.reports.domain_gap import (
    Colours,
    DomainLook,
    class_distance,
    colour_distance,
    look_at_domain,
    seen_size,
    spread,
)
from mmuda.reports.gap_advice import advice, class_table, gap_table
from mmuda.utils.setup_env import register_all_modules

CLASSES = ('road', 'car', 'sky')


def colours(mean, deviation=(1, 1, 1)):
    return Colours(np.array(mean, float), np.diag(np.square(deviation)) * 1.0)


def test_the_distance_of_equal_spreads_is_that_of_the_means():
    first, second = colours([10, 20, 30]), colours([13, 24, 30])
    assert colour_distance(first, second) == pytest.approx(5)
    assert colour_distance(first, first) == pytest.approx(0, abs=1e-6)


def test_the_distance_of_equal_means_is_that_of_the_deviations():
    first, second = colours([0, 0, 0], [1, 5, 2]), colours([0] * 3, [4, 1, 2])
    assert colour_distance(first, second) == pytest.approx(5)
    # The same in other axes, where channels go together.
    turn, _ = np.linalg.qr(np.arange(9).reshape(3, 3) + np.eye(3))
    first, second = (
        Colours(c.mean, turn @ c.covariance @ turn.T) for c in (first, second)
    )
    assert colour_distance(first, second) == pytest.approx(5)


def test_class_distance():
    first, second = np.array([0.5, 0.5, 0]), np.array([0.5, 0.25, 0.25])
    assert class_distance(first, second) == 0.25


def test_indices_are_spread():
    assert spread(10, 4) == [0, 3, 6, 9]
    assert spread(2, 24) == [0, 1]


def write(folder, name, color, labels):
    for part, pixels in (('images', color), ('labels', labels)):
        (folder / part).mkdir(exist_ok=True)
        Image.fromarray(np.array(pixels, np.uint8)).save(
            folder / part / f'{name}.png'
        )


def write_labels(folder, name):
    label = Image.fromarray(np.zeros((4, 8), np.uint8))
    label.save(folder / f'labels/{name}.png')


@pytest.fixture
def dataset(tmp_path):
    register_all_modules()
    dark, bright = np.zeros((4, 8, 3)), np.full((4, 8, 3), (200, 100, 50))
    write(tmp_path, 'a', dark, np.zeros((4, 8)))
    write(tmp_path, 'b', bright, np.full((4, 8), 1))
    write(tmp_path, 'c', np.zeros((8, 8, 3)), np.full((8, 8), 255))
    write(tmp_path, 'd', np.full((4, 8, 3), (200, 100, 50)), np.ones((4, 8)))
    return DATASETS.build(
        dict(
            type='FolderDataset',
            label_set=None,
            data_root=str(tmp_path),
            data_prefix=dict(img_path='images', seg_map_path='labels'),
            img_suffix='.png',
            seg_map_suffix='.png',
            metainfo=dict(classes=CLASSES, palette=[[0] * 3] * 3),
            pipeline=[dict(type='Resize', scale=(4, 4), keep_ratio=False)],
        )
    )


def test_a_look_at_files(dataset):
    look = look_at_domain('mine', dataset, 24)
    assert (look.images, look.seen) == (4, (4, 4))
    assert look.sizes == [(8, 4), (8, 4), (8, 8), (8, 4)]
    # Each image counts alike, whatever its size.
    assert look.colours.mean.tolist() == [100, 50, 25]
    assert look.colours.deviation.tolist() == [100, 50, 25]
    assert look.within == pytest.approx(np.linalg.norm([200, 100, 50]))
    assert look.pixels.tolist() == [32, 64, 0]
    assert look.ratios.tolist() == pytest.approx([1 / 3, 2 / 3, 0])
    assert look.ignored == 64 / 160


def test_colours_of_16_bits_are_in_one_unit(dataset, tmp_path):
    """Whatever each image would be shown by."""
    levels = [200, 300, 1000, 1100]
    for name, level in zip('abcd', levels, strict=True):
        pixels = np.full((4, 8, 4), level, np.uint16)
        cv2.imwrite(str(tmp_path / f'images/{name}.png'), pixels)
        write_labels(tmp_path, name)
    loader = dict(type='LoadImage', color_type='unchanged')
    dataset.pipeline = Compose([loader])
    found = look_at_domain('deep', dataset, 24)
    assert found.colours.mean.tolist() == [650] * 3
    assert found.within == pytest.approx(np.sqrt(3) * 100, rel=1e-3)


def test_differences_of_fractions_are_shown():
    near = look('target', mean=(0.31, 0.29, 0.3), within=0.012)
    source = replace(near, name='source', colours=colours([0.1] * 3))
    titles, first, second = cells(gap_table([source, near], source))
    place = titles.index('mean of R, G, B')
    assert second[place] == '0.31, 0.29, 0.3'
    place = titles.index('colours: halves apart')
    assert second[place] == '0.012'
    assert 'is 0.35 grey levels away' in said(source, near)[0]


def test_fewer_images_are_the_first_the_last_and_between(dataset):
    look = look_at_domain('mine', dataset, 2)
    assert look.colours.mean.tolist() == [100, 50, 25]
    assert len(look.sizes) == 2
    # Halves of one image are no measure of a domain.
    assert look.within is None


@pytest.mark.parametrize(
    ('steps', 'size'),
    [
        ([], (100, 50)),
        ([dict(type='Resize', scale=(60, 40), keep_ratio=False)], (60, 40)),
        ([dict(type='Resize', scale=(60, 60), keep_ratio=True)], (60, 30)),
        ([dict(type='Resize', scale_factor=0.5)], (50, 25)),
        ([dict(type='ResizeToFit', scale=(60, 60))], (60, 30)),
        (
            [
                dict(
                    type='RandomResize',
                    scale=(60, 60),
                    ratio_range=(0.5, 2.0),
                    keep_ratio=True,
                ),
                dict(type='RandomCrop', crop_size=(8, 8)),
            ],
            (60, 30),
        ),
        (
            [dict(type='RandomResize', scale=[(40, 20), (80, 60)])],
            (60, 40),
        ),
        (
            [
                dict(
                    type='RandomResize',
                    scale=[(40, 20), (80, 60)],
                    keep_ratio=True,
                )
            ],
            (60, 30),
        ),
        (
            [
                dict(
                    type='RandomChoiceResize',
                    scales=[(9, 9), (60, 40), (4, 4)],
                )
            ],
            (9, 9),
        ),
        (
            [
                dict(
                    type='RandomChoiceResize',
                    scales=[(80, 80), (60, 60), (40, 40)],
                    keep_ratio=True,
                )
            ],
            (60, 30),
        ),
        (
            [
                dict(
                    type='RandomChoiceResize',
                    scales=[10, 20, 30],
                    resize_type='ResizeShortestEdge',
                    max_size=60,
                )
            ],
            (40, 20),
        ),
        ([dict(type='ResizeShortestEdge', scale=40, max_size=60)], (60, 30)),
    ],
)
def test_the_size_before_crops(steps, size):
    register_all_modules()
    leaf = SimpleNamespace(pipeline=Compose(steps))
    assert seen_size(leaf, (100, 50)) == size


def look(name, seen=(100, 50), mean=(90, 90, 90), **kwargs):
    size = kwargs.pop('sizes', [seen])
    within = kwargs.pop('within', 4.0)
    return DomainLook(name, 5, size, seen, colours(mean), within, **kwargs)


SOURCE = look('source', pixels=np.array([600, 399, 1]), ignored=0.25)


def said(source, *targets, evaluated=()):
    return [*advice(source, targets, evaluated, CLASSES)]


def test_like_domains_need_nothing():
    lines = said(replace(SOURCE, pixels=np.full(3, 9)), look('target'))
    assert len(lines) == 3
    assert all(line.endswith('nothing to do') for line in lines)


def test_sizes_that_differ_threefold():
    line = said(SOURCE, look('target', (300, 150)))[1]
    assert "images of 'target' are seen 3.0 times as tall" in line
    assert "dict(type='Resize', scale=(width, height))" in line


def test_colours_are_compared_with_those_within_a_domain():
    far, near = look('target', mean=(90, 90, 100)), look('target')
    assert (
        'is 10.0 grey levels away, images of one domain 4.0'
        in (said(SOURCE, far)[0])
    )
    assert 'tools/translate_lab.py' in said(SOURCE, far)[0]
    assert 'nothing to do' in said(SOURCE, near)[0]


def test_few_images_tell_nothing_of_a_domain():
    one, target = replace(SOURCE, within=None), look('target', within=None)
    assert 'too few images were read' in said(one, target)[0]
    assert '--gap-images N' in said(one, target)[0]
    far = replace(target, within=4.0)
    assert 'images of one domain' in said(one, far)[0]
    assert 'too few' not in said(one, far)[0]
    titles, *columns = cells(gap_table([SOURCE, one], SOURCE))
    place = titles.index('colours: halves apart')
    assert [column[place] for column in columns] == ['4.0', '–']


def test_stretched_and_mixed_shapes():
    flat = look('target', (100, 50), sizes=[(100, 100)])
    assert "'target' is made 2.00 times as wide" in said(SOURCE, flat)[0]
    # The source of this config is squeezed on disk, too.
    assert (
        '2.00 times as wide as tall, as the source is:'
        in said(replace(SOURCE, sizes=[(50, 50)]), flat)[1]
    )
    tall = look('target', (100, 100), sizes=[(100, 50)])
    assert (
        '1.00 times as wide as tall (the source: 2.00): were its files sq'
        in (said(SOURCE, tall)[0])
    )
    mixed = look('target', sizes=[(100, 50), (200, 100)])
    assert 'are 50 to 100 pixels tall and not resized' in said(None, mixed)[0]


def test_rare_and_absent_classes():
    rare = replace(SOURCE, pixels=np.array([9999, 1, 0]))
    lines = said(rare)
    assert 'none of 1 labels of the source has sky' in lines[0]
    assert 'less than 0.1 % of the source is car' in lines[1]
    assert 'RareClassSampling' in lines[1]


@pytest.mark.parametrize(
    ('entropy', 'words'),
    [(0.2, 'the network is less sure there'), (0.1, 'as sure there')],
)
def test_entropies(entropy, words):
    source, target = replace(SOURCE, entropy=0.1), look('target')
    assert len(said(source, target)) == 3
    (line,) = (
        line
        for line in said(source, replace(target, entropy=entropy))
        if line.startswith('entropy')
    )
    assert words in line


def test_labels_of_the_validation_are_for_the_report():
    val = look('val', pixels=np.array([4, 4, 2]))
    line = said(SOURCE, evaluated=[val])[-1]
    assert "20 % of the pixels of 'val' are of other classes" in line
    assert 'road 60.0 → 40.0 %, sky 0.1 → 20.0 %' in line
    assert 'no setting should be chosen by them' in line


def cells(table):
    return [[*column.cells] for column in table.columns]


def test_tables():
    target = look('target', mean=(90, 93, 94))
    titles, first, second = cells(gap_table([SOURCE, target], SOURCE))
    found = dict(zip(titles, zip(first, second, strict=True), strict=True))
    assert found['size on disk'] == ('100x50', '100x50')
    assert found['colours: from the source'] == ('–', '5.0')
    assert found['pixels without label'] == ('25.0 %', '–')
    assert 'mean entropy' not in found
    assert cells(class_table([SOURCE, target], CLASSES)) == [
        [*CLASSES],
        ['60.00', '39.90', '0.10'],
    ]
    assert class_table([target], CLASSES) is None
