"""Where pseudo-labels that are made in training count."""

import numpy as np
import pytest
import torch
from mmcv.transforms import Compose

from mmuda.datasets.transforms.cached_steps import constant_steps
from mmuda.models.batch import DomainBatch
from mmuda.registry import MODELS, TRANSFORMS
from mmuda.utils.errors import ConfigError

MARGINS = dict(type='PseudoLabelMargins', top=3, bottom=24, left=5, right=7)
PACK = dict(type='PackDomainInputs')


def image(height=96, width=192):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return dict(img=pixels, img_shape=(height, width), ori_shape=(96, 192))


def region_of(*steps, margins=MARGINS):
    results = Compose([TRANSFORMS.build(s) for s in (margins, *steps)])(
        image()
    )
    return results['pseudo_label_region']


def inside(height=96, width=192):
    expected = np.zeros((height, width), dtype=np.uint8)
    expected[3:72, 5:185] = 1
    return expected


def test_region_lies_inside_the_margins():
    assert np.array_equal(region_of(), inside())


def test_margins_are_those_of_cityscapes_by_default():
    whole = dict(
        img=np.zeros((1024, 2048, 3), np.uint8), ori_shape=(1024, 2048)
    )
    transform = TRANSFORMS.build(dict(type='PseudoLabelMargins'))
    region = transform(whole)['pseudo_label_region']
    assert region.sum() == (1024 - 270) * (2048 - 60)
    assert region[30:784, 30:2018].all()


def test_region_is_resized_to_the_nearest_pixel():
    found = region_of(dict(type='Resize', scale=(96, 48), keep_ratio=True))
    assert np.array_equal(found, inside()[::2, ::2])


def test_region_is_cropped_and_flipped_with_the_image():
    crop = dict(type='RandomCrop', crop_size=(64, 64))
    flip = dict(type='RandomFlip', prob=1.0)
    results = image()
    places = np.arange(96 * 192).reshape(96, 192)
    # Each pixel says where it was, in two bytes.
    results['img'] = np.stack(
        [places % 256, places // 256, places * 0], axis=2
    ).astype(np.uint8)
    np.random.seed(0)
    steps = [TRANSFORMS.build(step) for step in (MARGINS, crop, flip)]
    results = Compose(steps)(results)
    low, high, _ = np.moveaxis(results['img'].astype(int), 2, 0)
    expected = inside().flatten()[low + 256 * high]
    assert np.array_equal(results['pseudo_label_region'], expected)


def test_padding_lies_outside():
    pad = dict(type='PadToSize', size=(200, 100))
    packed = Compose([TRANSFORMS.build(s) for s in (MARGINS, pad, PACK)])(
        image()
    )
    batch = DomainBatch.of_samples(
        'target', packed['inputs'][None], [packed['data_samples']]
    )
    assert batch.region.sum() == inside().sum()
    assert batch.region.shape == (1, 100, 200)


def samples(*shapes):
    packed = []
    for height, width in shapes:
        results = image(height, width)
        steps = [TRANSFORMS.build(MARGINS), TRANSFORMS.build(PACK)]
        results['ori_shape'] = height, width
        packed.append(Compose(steps)(results))
    return packed


def test_preprocessor_stacks_and_pads_regions():
    packed = samples((96, 192), (80, 192))
    data = dict(
        inputs=dict(source=[], target=[one['inputs'] for one in packed]),
        data_samples=dict(
            source=[], target=[one['data_samples'] for one in packed]
        ),
    )
    for part in data.values():
        part['source'] = part['target'][:1]
    preprocessor = MODELS.build(dict(type='DomainDataPreprocessor'))
    target = preprocessor(data, True).targets['target']
    assert target.region.dtype == torch.bool
    assert np.array_equal(target.region[0].numpy(), inside() == 1)
    assert not target.region[1, 56:].any()
    assert target.region[1, 3:56, 5:185].all()


def test_batches_without_margins_have_no_region():
    results = Compose([TRANSFORMS.build(PACK)])(image())
    batch = DomainBatch.of_samples(
        'target', results['inputs'][None], [results['data_samples']]
    )
    assert batch.region is None


def test_margins_are_read_from_the_image_cache():
    steps = [
        TRANSFORMS.build(step)
        for step in (
            dict(type='LoadImage'),
            MARGINS,
            dict(type='Resize', scale=(96, 48)),
            dict(type='RandomFlip', prob=0.5),
        )
    ]
    assert constant_steps(steps) == 3


@pytest.mark.parametrize(
    ('margins', 'message'),
    [
        (dict(top=-1), r'PseudoLabelMargins\.top=-1: must be a whole number'),
        (dict(left=0.5), r'PseudoLabelMargins\.left=0\.5'),
        (dict(bottom=93), 'leaves nothing of an image of 192x96'),
        (dict(left=180, right=20), 'leaves nothing of an image of 192x96'),
    ],
)
def test_wrong_margins_are_refused(margins, message):
    with pytest.raises(ConfigError, match=message):
        region_of(margins=MARGINS | margins)


def test_margins_after_resizing_are_refused():
    with pytest.raises(ConfigError, match='must come before Resize'):
        TRANSFORMS.build(MARGINS)(image(48, 96))
