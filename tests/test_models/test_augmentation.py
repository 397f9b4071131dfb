"""Colour jitter and blur of normalised images."""

import modern_goldens
import pytest
import torch

from mmuda.models.augmentation import (
    AugmentationDraws,
    StrongAugmentation,
    blur_length,
    color_jitter,
    gaussian_blur,
    normalisation_of,
)
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

NAMES = ('brightness', 'contrast', 'saturation', 'hue')
NEUTRAL = torch.tensor([1.0, 1.0, 1.0, 0.0], dtype=torch.float64)
MEAN, STD = (
    torch.tensor(values, dtype=torch.float64).view(3, 1, 1)
    for values in (modern_goldens.MEAN, modern_goldens.STD)
)


@pytest.fixture(scope='module')
def goldens():
    return modern_goldens.load('strong')


def draws(jitters=False, blurs=False, factors=NEUTRAL, order=(), sigma=1.0):
    return AugmentationDraws(
        jitters,
        blurs,
        factors.expand(2, 4),
        torch.as_tensor(order, dtype=torch.long).expand(2, -1),
        torch.full((2,), sigma, dtype=torch.float64),
    )


def applied(goldens, drawn):
    images = modern_goldens.normalised(goldens['image'])
    return StrongAugmentation.apply(images, drawn, MEAN, STD)


@pytest.mark.parametrize('number', range(3))
def test_jitter_equals_goldens(goldens, number):
    name = f'jitter{number}'
    factors = torch.stack([goldens[f'{name}.{n}_factor'] for n in NAMES], 1)
    drawn = draws(True, factors=factors, order=goldens[f'{name}.order'])
    modern_goldens.assert_golden(
        applied(goldens, drawn), goldens[f'{name}.out']
    )


def test_single_operations_equal_goldens(goldens):
    names = [name for name in goldens if name.startswith('only_')]
    assert len(names) == 4
    for name in names:
        _, operation, value = name.split('_')
        factors = NEUTRAL.clone()
        factors[NAMES.index(operation)] = float(value)
        order = [NAMES.index(operation)]
        found = applied(goldens, draws(True, factors=factors, order=order))
        modern_goldens.assert_golden(found, goldens[name])


def test_blur_equals_goldens(goldens):
    names = [name for name in goldens if name.startswith('blur_sigma')]
    assert len(names) == 3
    for name in names:
        sigma = float(name.removeprefix('blur_sigma'))
        found = applied(goldens, draws(blurs=True, sigma=sigma))
        modern_goldens.assert_golden(found, goldens[name])


def test_lengths_of_the_blur_equal_goldens(goldens):
    for side, length in goldens['kernel_size_for_length'].tolist():
        assert blur_length(side) == length


def test_nothing_acts_without_a_coin(goldens):
    images = modern_goldens.normalised(goldens['image'])
    assert StrongAugmentation.apply(images, draws(), MEAN, STD) is images


@pytest.mark.parametrize(
    ('name', 'acts', 'probability'),
    [
        ('no_jitter_at_0.2', 'jitters', 'jitter_probability'),
        ('no_blur_at_0.5', 'blurs', 'blur_probability'),
    ],
)
def test_coins_mean_no_where_those_of_the_goldens_do(
    goldens, name, acts, probability
):
    """Theirs mean yes above a number, ours below the probability."""
    coin = float(name.rpartition('_')[2])
    chance = getattr(StrongAugmentation(), probability)
    images = modern_goldens.normalised(goldens['image'])
    for above, changes in ((0, False), (1e-9, True)):
        drawn = draws(**{acts: 1 - (coin + above) < chance})
        order = torch.zeros(2, 1, dtype=torch.long)
        factors = NEUTRAL + torch.tensor([0.1, 0, 0, 0]).double()
        drawn = drawn._replace(orders=order, factors=factors.expand(2, 4))
        change = StrongAugmentation.apply(images, drawn, MEAN, STD) - images
        assert torch.equal(change, goldens[name]) != changes


def test_images_are_changed_each_by_its_own_draws(goldens):
    images = modern_goldens.normalised(goldens['image'])
    drawn = StrongAugmentation().draw(2)
    drawn = drawn._replace(jitters=True, blurs=True)
    both = StrongAugmentation.apply(images, drawn, MEAN, STD)
    for number in range(2):
        part = slice(number, number + 1)
        own = AugmentationDraws(True, True, *(v[part] for v in drawn[2:]))
        alone = StrongAugmentation.apply(images[part], own, MEAN, STD)
        torch.testing.assert_close(alone, both[part], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize('sigma', [0.15, 1.15])
@pytest.mark.parametrize('kernel', [(51, 13), (1, 5)])
def test_blur_is_that_of_the_whole_kernel(sigma, kernel):
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, 64, 48, generator=generator, dtype=torch.float64)
    rows, columns = (
        torch.exp(-((torch.arange(n).double() - n // 2) ** 2) / 2 / sigma**2)
        for n in kernel
    )
    taps = rows[:, None] * columns
    taps = (taps / taps.sum()).expand(3, 1, *kernel)
    width = (kernel[1] // 2,) * 2 + (kernel[0] // 2,) * 2
    expected = torch.nn.functional.conv2d(
        torch.nn.functional.pad(images, width, mode='reflect'), taps, groups=3
    )
    found = gaussian_blur(images, torch.tensor([sigma, sigma]), kernel)
    # A deviation in single precision, as it is drawn.
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def test_draws_lie_in_their_ranges():
    torch.manual_seed(0)
    drawn = [StrongAugmentation(strength=0.25).draw(2) for _ in range(400)]
    factors = torch.cat([one.factors for one in drawn])
    for column, middle in zip(factors.T, (1, 1, 1, 0), strict=True):
        low, high = column.aminmax()
        assert middle - 0.25 <= low < middle - 0.24
        assert middle + 0.24 < high <= middle + 0.25
    sigmas = torch.cat([one.sigmas for one in drawn])
    assert 0.15 <= sigmas.min() < 0.17
    assert 1.13 < sigmas.max() <= 1.15
    assert all(
        sorted(order) == [0, 1, 2, 3]
        for one in drawn
        for order in one.orders.tolist()
    )
    # 320 and 200 expected, standard deviations 8 and 10
    assert abs(sum(one.jitters for one in drawn) - 320) < 32
    assert abs(sum(one.blurs for one in drawn) - 200) < 40


@pytest.mark.parametrize('as_one', [True, False])
def test_a_batch_as_one_shares_order_and_blur(as_one):
    torch.manual_seed(0)
    drawn = [StrongAugmentation().draw(2, as_one) for _ in range(20)]
    for values in ('orders', 'sigmas'):
        alike = [torch.equal(*getattr(one, values)) for one in drawn]
        assert all(alike) == as_one
    assert not any(torch.equal(*one.factors) for one in drawn)


@pytest.mark.parametrize('probability', [0, 1])
def test_certain_coins(probability):
    augmentation = StrongAugmentation(
        jitter_probability=probability, blur_probability=1 - probability
    )
    drawn = [augmentation.draw(1) for _ in range(50)]
    assert {one[:2] for one in drawn} == {(probability == 1, probability == 0)}


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('strength', 0.6),
        ('strength', -0.1),
        ('jitter_probability', 1.5),
        ('blur_probability', 'often'),
    ],
)
def test_numbers_out_of_range_are_refused(name, value):
    with pytest.raises(ConfigError, match=rf'augmentation\.{name}='):
        StrongAugmentation(**{name: value})


def test_autocast_does_not_round_images(goldens):
    images = modern_goldens.normalised(goldens['image']).float()
    drawn = StrongAugmentation().draw(2)._replace(jitters=True, blurs=True)
    mean, std = MEAN.float(), STD.float()
    expected = StrongAugmentation.apply(images, drawn, mean, std)
    with torch.autocast('cpu', torch.bfloat16):
        found = StrongAugmentation.apply(images, drawn, mean, std)
    assert torch.equal(found, expected)


def test_images_without_normalisation_are_taken_as_they_are():
    preprocessor = MODELS.build(dict(type='DomainDataPreprocessor'))
    assert normalisation_of(preprocessor) == (0.0, 1.0)
    preprocessor = MODELS.build(
        dict(type='DomainDataPreprocessor', mean=[1, 2, 3], std=[4, 5, 6])
    )
    mean, std = normalisation_of(preprocessor)
    assert mean.flatten().tolist() == [1, 2, 3]
    assert std.flatten().tolist() == [4, 5, 6]


def test_grey_has_no_hue():
    grey = torch.full((1, 3, 4, 4), 0.5)
    factors = torch.tensor([[1.0, 1.0, 1.5, 0.3]])
    found = color_jitter(grey, factors, torch.tensor([[2, 3]]))
    assert torch.equal(found, grey)
