from functools import partial

import pytest

from benchmarks.measure import (
    Row,
    format_bytes,
    format_seconds,
    median_ratio,
    paired_times,
    ratio_row,
)


def test_variants_run_in_turns_after_the_warm_up():
    calls = []
    variants = {name: lambda name=name: calls.append(name) for name in 'ab'}
    paired_times(variants, rounds=2, warmup=1)
    assert calls == ['a', 'b'] * 3


def test_only_the_rounds_are_timed():
    times = paired_times({'a': int, 'b': int}, rounds=3, warmup=2)
    assert {name: len(values) for name, values in times.items()} == {
        'a': 3,
        'b': 3,
    }


def test_tick_tells_round_and_variant():
    messages = []
    paired_times({'a': int}, rounds=1, warmup=1, tick=messages.append)
    assert messages == ['warm-up, a', 'round 1/1, a']


def test_ratio_is_the_median_of_the_ratios_in_a_round():
    """A slow round of both must not move it: medians alone would give 4."""
    times = {'a': [2.0, 4.0, 900.0], 'b': [1.0, 1.0, 300.0]}
    assert median_ratio(times, 'a', 'b') == 3.0


def test_times_are_those_of_the_clock_during_the_call():
    """A clock that the functions themselves move: no real time is read."""
    now = [0.0]

    def work(seconds):
        now[0] += seconds

    variants = {'a': partial(work, 6.0), 'b': partial(work, 2.0)}
    times = paired_times(variants, rounds=2, clock=lambda: now[0])
    assert times == {'a': [6.0, 6.0], 'b': [2.0, 2.0]}
    assert median_ratio(times, 'a', 'b') == 3.0


def test_ratio_row_shows_the_times():
    row = ratio_row('speed', 'name', {'a': [2.0], 'b': [0.5]}, 'a', 'b', 5)
    assert row == Row('speed', 'name', 4.0, goal=5, detail='a 2 s / b 500 ms')


@pytest.mark.parametrize(
    ('value', 'goal', 'met'),
    [(1.0, 1.0, True), (1.1, 1.0, False), (1.0, None, None)],
)
def test_a_goal_is_met_up_to_its_value(value, goal, met):
    assert Row('', '', value, goal=goal).is_met is met


@pytest.mark.parametrize(
    ('seconds', 'text'),
    [(12.34, '12.3 s'), (0.0567, '56.7 ms'), (4.5e-5, '45 us')],
)
def test_durations_have_three_digits(seconds, text):
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(
    ('count', 'text'), [(3 * 2**20, '3 MiB'), (1536, '1.5 KiB')]
)
def test_sizes_are_in_binary_units(count, text):
    assert format_bytes(count) == text


def test_ratio_row_shows_the_quartiles_of_the_rounds():
    times = {'a': [1.0, 2.0, 3.0, 4.0, 5.0], 'b': [1.0] * 5}
    detail = ratio_row('speed', 'name', times, 'a', 'b').detail
    assert detail == 'a 3 s / b 1 s, quartiles 2 to 4'
