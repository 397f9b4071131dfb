"""How well harm is found, on made-up records."""

import math

import pytest
from test_experiment import record

from experiments.label_free.experiment import loss_of
from experiments.label_free.experiment_groups import harm_detections


def test_harm_by_alarms_and_by_scores():
    records = [
        record('a', True, ('collapse', 'takeover'), 3.0),
        record('a', False, ('takeover',), 1.0),
        record('b', True, ('collapse', 'forgetting'), 5.0),
        record('b', False, (), 2.0),
        record('b', None, None, 9.0),
    ]
    found = harm_detections(records)
    two = found['two alarms']['a']
    assert (two.auroc, two.precision, two.recall) == (1, 1, 1)
    takeover = found['takeover']['a']
    assert (takeover.auroc, takeover.precision) == (0.5, 0.5)
    assert found['BNM_r']['a'].threshold == 5
    assert found['BNM_r']['a'].recall == 0
    assert found['BNM_r']['b'].threshold == 3
    assert found['BNM_r']['b'].recall == 1
    assert found['BNM_r']['b'].count == 2


def test_the_pool_is_asked_of_last_checkpoints_alone():
    records = [
        record('a', True, ('against the pool',), 3.0),
        record('a', True, (), 3.0),
        record('a', False, (), 1.0),
    ]
    assert 'against the pool' not in harm_detections(records)
    records[0].across = records[2].across = 90.0
    found = harm_detections(records)['against the pool']['a']
    assert (found.recall, found.precision, found.count) == (1, 1, 2)
    # The second one, of which nothing is known, is none that was missed.
    assert found.auroc == 1


def test_a_network_of_no_numbers_is_warned_of():
    records = [
        record('a', True, ('diverged',), math.inf),
        record('a', False, ('takeover',), 1.0),
        record('a', False, (), -2.0),
    ]
    found = harm_detections(records)
    two = found['two alarms']['a']
    assert (two.auroc, two.precision, two.recall) == (1, 1, 1)
    assert found['BNM_r']['a'].auroc == 1


@pytest.mark.parametrize(
    ('value', 'before', 'loss'),
    [(2.0, 5.0, 3.0), (math.nan, 5.0, math.inf), (5.0, math.nan, None)],
)
def test_what_source_only_has_more(value, before, loss):
    found = loss_of(value, before)
    assert math.isnan(found) if loss is None else found == loss
