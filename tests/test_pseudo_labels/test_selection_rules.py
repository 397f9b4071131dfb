"""Thresholds against plain numpy on all scores."""

import numpy as np
import pytest
import torch

from mmuda.evaluation.score_histogram import ScoreHistogram, quantise
from mmuda.pseudo_labels import (
    ClassBalancedPortion,
    ConfidenceQuantile,
    EntropyQuantile,
    GlobalThreshold,
    KeepAll,
)
from mmuda.utils.errors import ConfigError

BINS = 4096
CLASSES = 6
EMPTY = 5


@pytest.fixture(scope='module')
def pixels():
    """Labels (one class is never predicted) and scores of many pixels."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, EMPTY, 60_001)
    scores = generator.beta(1 + labels, 3)
    return labels, scores


def apply(rule, pixels, bins=BINS):
    """Thresholds as values, and which pixels are kept."""
    labels, scores = map(torch.from_numpy, pixels)
    labels, score_bins = labels.to(torch.uint8), quantise(scores, bins)
    histogram = ScoreHistogram(CLASSES, bins)
    histogram.update(labels, score_bins)
    thresholds = rule.threshold_bins(histogram).numpy()
    kept = rule.keep(labels.numpy(), score_bins.numpy(), thresholds)
    return rule.threshold_values(thresholds, bins), kept


def exact(pixels, class_id, fraction):
    """The published quantile: one element of the sorted scores."""
    scores = np.sort(pixels[1][pixels[0] == class_id])
    return scores[min(round(len(scores) * fraction), len(scores) - 1)]


@pytest.mark.parametrize('quantile', [0.1, 0.5, 0.9])
def test_entropy_quantile_is_exact_to_one_bin(pixels, quantile):
    values, _ = apply(EntropyQuantile(quantile, floor=0.0), pixels)
    expected = [exact(pixels, c, quantile) for c in range(EMPTY)]
    np.testing.assert_allclose(values[:EMPTY], expected, atol=1 / BINS)


def test_entropy_floor_and_empty_class(pixels):
    values, _ = apply(EntropyQuantile(0.5, floor=0.4), pixels)
    expected = [max(exact(pixels, c, 0.5), 0.4) for c in range(EMPTY)]
    np.testing.assert_allclose(values, [*expected, 0.4], atol=1 / BINS)


def test_esl_keeps_entropies_up_to_the_threshold(pixels):
    labels, scores = pixels
    _, kept = apply(EntropyQuantile(0.5, floor=0.4), pixels)
    limits = np.array([max(exact(pixels, c, 0.5), 0.4) for c in range(EMPTY)])
    distance = scores - limits[labels]
    assert kept[distance <= 0].all()
    assert not kept[distance > 1 / BINS].any()


def test_esl_keeps_at_least_half_of_each_class(pixels):
    labels, _ = pixels
    _, kept = apply(EntropyQuantile(0.5, floor=0.0), pixels)
    shares = [kept[labels == c].mean() for c in range(EMPTY)]
    assert min(shares) >= 0.5
    assert max(shares) < 0.52


def test_confidence_cap_and_empty_class(pixels):
    values, _ = apply(ConfidenceQuantile(0.5, cap=0.6), pixels)
    expected = [min(exact(pixels, c, 0.5), 0.6) for c in range(EMPTY)]
    np.testing.assert_allclose(values, [*expected, 0.6], atol=1 / BINS)


def test_ssl_keeps_confidences_from_the_threshold_on(pixels):
    labels, scores = pixels
    _, kept = apply(ConfidenceQuantile(0.5, cap=0.6), pixels)
    limits = np.array([min(exact(pixels, c, 0.5), 0.6) for c in range(EMPTY)])
    distance = scores - limits[labels]
    assert kept[distance >= 0].all()
    assert not kept[distance < -1 / BINS].any()


def test_portion_within_limits_and_empty_class(pixels):
    rule = ClassBalancedPortion(0.3, low=0.4, high=0.8)
    values, _ = apply(rule, pixels)
    expected = [exact(pixels, c, 0.7) for c in range(EMPTY)]
    expected = [*np.clip(expected, 0.4, 0.8), 0.4]
    np.testing.assert_allclose(values, expected, atol=1 / BINS)


def test_portion_of_each_class_is_kept(pixels):
    portions = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    _, kept = apply(ClassBalancedPortion(portions), pixels)
    shares = [kept[pixels[0] == c].mean() for c in range(EMPTY)]
    np.testing.assert_allclose(shares, portions[:EMPTY], atol=0.01)


def test_portion_zero_keeps_the_surest_bin_only(pixels):
    _, kept = apply(ClassBalancedPortion(0.0), pixels)
    assert 0 < kept.sum() < 0.01 * kept.size


def test_global_threshold(pixels):
    _, kept = apply(GlobalThreshold(0.75), pixels)
    assert np.array_equal(kept, pixels[1] >= 0.75)


def test_global_threshold_of_entropy(pixels):
    _, kept = apply(GlobalThreshold(0.75, score='entropy'), pixels)
    assert np.array_equal(kept, pixels[1] < 0.75 + 1 / BINS)


def test_keep_all_keeps_all_but_unlabelled():
    labels = np.array([0, 1, 255, 3])
    _, kept = apply(KeepAll(), (labels, np.zeros(4)))
    assert kept.tolist() == [True, True, False, True]


def test_more_bins_are_more_exact(pixels):
    expected = [exact(pixels, c, 0.5) for c in range(EMPTY)]
    errors = []
    for bins in (4096, 65536):
        values, _ = apply(EntropyQuantile(0.5, floor=0.0), pixels, bins)
        errors.append(np.abs(np.subtract(values[:EMPTY], expected)).max())
    assert errors[1] < 1 / 65536 < errors[0] <= 1 / 4096


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda: EntropyQuantile(quantile=1.5), 'quantile=1.5'),
        (lambda: EntropyQuantile(floor=-0.1), 'floor=-0.1'),
        (lambda: ConfidenceQuantile(cap=2), 'cap=2'),
        (lambda: ClassBalancedPortion([0.5, 7]), 'portion=7'),
        (lambda: ClassBalancedPortion(low=0.9, high=0.5), 'low=0.9 is above'),
        (lambda: GlobalThreshold('a'), "threshold='a': must be a number"),
        (
            lambda: GlobalThreshold(0.5, score='margin'),
            "'margin': must be one of",
        ),
    ],
)
def test_values_out_of_range_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_one_portion_too_few_is_refused(pixels):
    with pytest.raises(ConfigError, match='5 values for 6 classes'):
        apply(ClassBalancedPortion([0.5] * 5), pixels)


def test_histogram_is_the_same_in_parts(pixels):
    labels, scores = map(torch.from_numpy, pixels)
    whole, parts = ScoreHistogram(CLASSES), ScoreHistogram(CLASSES)
    bins = quantise(scores, BINS)
    whole.update(labels, bins)
    for part in torch.arange(len(labels)).chunk(7):
        parts.update(labels[part], bins[part])
    assert torch.equal(whole.counts, parts.counts)


def test_histogram_counts_no_unlabelled_pixel():
    histogram = ScoreHistogram(3)
    histogram.update(torch.tensor([0, 255, 2]), torch.tensor([5, 5, 5]))
    assert histogram.pixels.tolist() == [1, 0, 1]


def test_entropy_ceiling_keeps_less_of_an_unsure_class(pixels):
    values, kept = apply(EntropyQuantile(0.5, 0.1, ceiling=0.3), pixels)
    expected = [
        min(max(exact(pixels, c, 0.5), 0.1), 0.3) for c in range(EMPTY)
    ]
    np.testing.assert_allclose(values[:EMPTY], expected, atol=2 / BINS)
    assert not kept[pixels[1] > 0.3 + 1 / BINS].any()


def test_low_keeps_less_of_an_unsure_class(pixels):
    values, kept = apply(ConfidenceQuantile(0.5, 0.9, low=0.6), pixels)
    expected = [
        max(min(exact(pixels, c, 0.5), 0.9), 0.6) for c in range(EMPTY)
    ]
    np.testing.assert_allclose(values[:EMPTY], expected, atol=1 / BINS)
    assert not kept[pixels[1] < 0.6 - 1 / BINS].any()


PRECISION = [1.0, 0.5, 0.1, 0.0, None, 0.7]


@pytest.mark.parametrize(
    'rule',
    [
        EntropyQuantile(0.5, floor=0.0, precision=PRECISION),
        ConfidenceQuantile(0.5, cap=1.0, precision=PRECISION),
    ],
)
def test_kept_part_of_a_class_is_as_its_precision(pixels, rule):
    labels, _ = pixels
    _, kept = apply(rule, pixels)
    shares = [kept[labels == c].mean() for c in range(EMPTY)]
    expected = [0.5 * (value or 0) for value in PRECISION[:EMPTY]]
    np.testing.assert_allclose(shares, expected, atol=0.01)


def test_sure_pixels_of_a_class_that_is_often_wrong_are_kept(pixels):
    labels, scores = pixels
    _, kept = apply(
        EntropyQuantile(0.5, floor=0.2, precision=[0.0] * CLASSES), pixels
    )
    assert kept[scores < 0.2].all()
    assert not kept[scores > 0.2 + 1 / BINS].any()
    _, kept = apply(
        ConfidenceQuantile(0.5, cap=0.8, precision=[0.0] * CLASSES), pixels
    )
    assert kept[scores > 0.8 + 1 / BINS].all()
    assert not kept[scores < 0.8 - 1 / BINS].any()


def test_full_precision_changes_nothing(pixels):
    for rule in (EntropyQuantile, ConfidenceQuantile):
        plain = apply(rule(), pixels)[1]
        assert (plain == apply(rule(precision=[1] * CLASSES), pixels)[1]).all()


@pytest.mark.parametrize(
    ('make', 'words'),
    [
        (lambda: EntropyQuantile(floor=0.5, ceiling=0.4), 'floor=0.5 is abov'),
        (lambda: ConfidenceQuantile(low=0.95), 'low=0.95 is above cap=0.9'),
        (lambda: EntropyQuantile(precision=[2.0]), 'precision'),
        (lambda: EntropyQuantile(precision='a.json'), 'must be a list'),
        (lambda: EntropyQuantile(precision=[1.0]).check(2), 'precision has 1'),
    ],
)
def test_wrong_limits_are_refused(make, words):
    with pytest.raises(ConfigError, match=words):
        make()
