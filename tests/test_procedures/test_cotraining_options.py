import pytest
from cotraining_configs import procedure_config

from mmuda.procedures.cotraining_options import (
    CollaborationOptions,
    CoTrainingOptions,
    CycleOptions,
    OneModelOptions,
)
from mmuda.utils.errors import ConfigError


def test_portion_grows_to_its_limit():
    options = CycleOptions(
        10, portion=0.5, portion_step=0.05, portion_limit=0.7
    )
    portions = [options.portion_at(cycle) for cycle in range(6)]
    assert portions == [0.5, 0.55, 0.6, 0.65, 0.7, 0.7]


def test_limit_below_the_first_portion_holds_from_the_second_cycle():
    """As published for Synscapes: 0.3, then 0.2."""
    options = CycleOptions(
        10, portion=0.3, portion_step=0.05, portion_limit=0.2
    )
    assert [options.portion_at(k) for k in range(3)] == [0.3, 0.2, 0.2]


def test_last_cycle_is_counted_from_the_end():
    assert OneModelOptions(10).model_cycles() == (0, 9)


def test_second_part_clips_higher():
    assert (OneModelOptions(1).high, CollaborationOptions(1).high) == (
        0.9,
        0.95,
    )


def test_options_are_read_from_a_config():
    options = CoTrainingOptions.from_config(procedure_config())
    assert options.self_training == OneModelOptions(3, relabel=2)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(seed=-1), r'cotraining.seed=-1: must be a whole number'),
        (
            dict(final_thresholds='new'),
            r"cotraining.final_thresholds='new': must be one of",
        ),
        (dict(sed=1), r"there is no 'sed' \(did you mean 'seed'"),
        (
            dict(self_training=dict(cycle=1)),
            r"cotraining.self_training: there is no 'cycle'",
        ),
        (
            dict(self_training=dict(keep=2)),
            r'cotraining.self_training.cycles is missing',
        ),
        (
            dict(self_training=dict(cycles=0)),
            r'self_training.cycles=0: must be a whole number above 0',
        ),
        (
            dict(self_training=dict(cycles=2, portion=1.5)),
            r'self_training.portion=1.5: must be a number in \[0, 1\]',
        ),
        (
            dict(self_training=dict(cycles=2, low=0.95)),
            r'self_training: low=0.95 is above high=0.9',
        ),
        (
            dict(self_training=dict(cycles=2, models=(0, 2))),
            r'self_training.models=\(0, 2\) must be two cycles of 2',
        ),
        (
            dict(self_training=dict(cycles=2, order='size')),
            r"self_training.order='size': must be one of",
        ),
        (
            dict(collaboration=dict(cycles=2, sample=0)),
            r'collaboration.sample=0: must be a whole number above 0',
        ),
        (
            dict(collaboration=dict(cycles=2, disagreement='drop')),
            r"collaboration.disagreement='drop': must be one of",
        ),
        (dict(collaboration=3), r'collaboration must be dict\(...\), not 3'),
    ],
)
def test_wrong_value_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        CoTrainingOptions.from_config(procedure_config(**changes))


def test_config_without_the_key_is_refused():
    cfg = procedure_config()
    cfg.cotraining = None
    with pytest.raises(ConfigError, match='no cotraining=dict'):
        CoTrainingOptions.from_config(cfg)
