"""Statistics of made-up pools, in closed form."""

import math

import numpy as np
import pytest

from experiments.label_free.validator_statistics import (
    auroc,
    best_threshold,
    bootstrap_interval,
    choose,
    dense_ranks,
    detect_harm,
    finite_scores,
    spearman,
    weighted_spearman,
)

TRUTH = [10.0, 20.0, 30.0, 40.0]


@pytest.mark.parametrize('correlation', [spearman, weighted_spearman])
def test_the_order_is_all_that_counts(correlation):
    assert correlation([1, 2, 3, 1e9], TRUTH) == pytest.approx(1)
    assert correlation([4, 3, 2, 1], TRUTH) == pytest.approx(
        -1, abs=1.0 if correlation is weighted_spearman else 1e-12
    )
    assert math.isnan(correlation([1, 1, 1, 1], TRUTH))


def test_spearman_by_hand():
    # squared differences of ranks 1 + 1 + 0 + 0: 1 - 6 * 2 / (4 * 15)
    assert spearman([2, 1, 3, 4], TRUTH) == pytest.approx(0.8)
    # ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4
    assert spearman([1, 2, 2, 4], TRUTH) == pytest.approx(
        4.5 / math.sqrt(4.5 * 5)
    )


def test_weighted_spearman_by_hand():
    """Ranks / 3 of (2, 1, 3) and (1, 2, 3), weights 4, 4 and 9 of 17."""
    x, y, w = np.array([2, 1, 3]), np.array([1, 2, 3]), np.array([4, 4, 9])
    w = w / w.sum()
    x, y = x - (w * x).sum(), y - (w * y).sum()
    expected = (w * x * y).sum() / math.sqrt(
        (w * x * x).sum() * (w * y * y).sum()
    )
    assert weighted_spearman([5, 4, 6], [1, 2, 3]) == pytest.approx(expected)
    # covariance 97 / 17 - (39 / 17)^2, variances 101 / 17 - (39 / 17)^2
    assert expected == pytest.approx(128 / 196)


def test_mistakes_at_the_top_weigh_more():
    top = weighted_spearman([1, 2, 4, 3], TRUTH)
    bottom = weighted_spearman([2, 1, 3, 4], TRUTH)
    assert top < bottom
    assert spearman([1, 2, 4, 3], TRUTH) == spearman([2, 1, 3, 4], TRUTH)


def test_equal_values_share_a_dense_rank():
    assert dense_ranks([3, 1, 3, 7]).tolist() == [2, 1, 2, 3]


def test_what_is_not_finite_is_the_smallest():
    found = finite_scores([2, math.nan, 1, math.inf, -math.inf])
    assert found.tolist() == [2, 1, 1, 1, 1]
    assert finite_scores([math.nan]).tolist() == [0]


@pytest.mark.parametrize(
    ('scores', 'regret', 'worst'),
    [
        ([1, 2, 3, 4], 0, False),
        ([9, 2, 3, 4], 30, True),
        ([1, 2, 4, 3], 10, False),
        # both are as likely to be chosen
        ([4, 2, 3, 4], 15, True),
        ([math.nan, 2, 5, 4], 10, False),
    ],
)
def test_choices(scores, regret, worst):
    found = choose(scores, TRUTH)
    assert found.regret == pytest.approx(regret)
    assert found.is_worst is worst
    assert found.top == pytest.approx(25)


def test_the_top_five():
    truth = list(range(7))
    assert choose(truth, truth).top == 4
    assert not choose([1, 1], [5, 5]).is_worst


def test_interval_of_a_mean():
    assert bootstrap_interval([3, 3, math.nan, 3]) == (3, 3)
    # half of the draws of two are one of each
    assert bootstrap_interval([0, 1]) == (0, 1)
    lower, upper = bootstrap_interval([0, 1] * 50)
    # 1.96 standard errors of 0.05
    assert lower == pytest.approx(0.402, abs=0.02)
    assert upper == pytest.approx(0.598, abs=0.02)
    # of a single run nothing is known of others
    for few in ([], [0.7], [math.nan, 0.7]):
        assert math.isnan(bootstrap_interval(few)[0])


def test_auroc_by_hand():
    # pairs: 3 > 2, 3 > 1, 2 = 2, 2 > 1
    assert auroc([3, 2, 2, 1], [True, True, False, False]) == 3.5 / 4
    assert math.isnan(auroc([1, 2], [True, True]))


def test_threshold_by_hand():
    values, bad = [1, 2, 3, 4, 5], [False, False, True, False, True]
    # from 3 on all harmful ones and a third of the others
    assert best_threshold(values, bad) == 3
    assert math.isnan(best_threshold([1, 2], [False, False]))


def test_thresholds_are_those_of_other_pools():
    values = dict(a=[1, 2, 3], b=[10, 20, 30], c=[2, 3, 25])
    labels = dict(
        a=[False, True, True], b=[False, False, True], c=[True, False, True]
    )
    found = detect_harm(values, labels)
    for pool in values:
        others = [name for name in values if name != pool]
        numbers = [v for name in others for v in values[name]]
        bad = [label for name in others for label in labels[name]]
        assert found[pool].threshold == best_threshold(numbers, bad)
    assert found['a'].auroc == found['b'].auroc == 1
    assert found['c'].auroc == 0.5
    assert (found['c'].count, found['c'].harmful) == (3, 2)
    # of b and c harmful 2, 25 and 30: of a only 2 and 3 could be warned of
    assert found['a'].threshold == 25
    assert found['a'].recall == 0
    assert math.isnan(found['a'].precision)
    # of a and c: from 2 on all harmful ones
    assert found['b'].threshold == 2
    assert found['b'].precision == pytest.approx(1 / 3)
    assert found['b'].recall == 1


def test_one_pool_has_no_others():
    found = detect_harm(dict(a=[1, 2]), dict(a=[False, True]))
    assert math.isnan(found['a'].threshold)
    assert math.isnan(found['a'].recall)
    assert found['a'].auroc == 1


def test_a_fixed_threshold():
    found = detect_harm(dict(a=[1, 2, 3]), dict(a=[False, False, True]), 2)
    assert found['a'].precision == 0.5
    assert found['a'].recall == 1


def test_a_network_of_no_numbers_is_the_most_harmful():
    values, bad = [math.inf, 0.1, math.nan], [True, False, False]
    assert auroc(values, bad) == 1
    assert best_threshold(values, bad) == math.inf
    found = detect_harm(dict(a=values), dict(a=bad), 2)
    assert (found['a'].precision, found['a'].recall) == (1, 1)
