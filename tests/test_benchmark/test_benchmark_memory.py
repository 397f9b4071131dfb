import torch

from benchmarks.memory import peak_bytes, replay_peak


def chain(length, size):
    """Keep ``length`` tensors of ``size`` floats for the backward pass."""
    values = torch.ones(size, requires_grad=True)
    for _ in range(length):
        values = values.exp()
    return values


def test_peak_is_the_largest_sum_alive():
    events = [(1, 10), (2, 20), (1, -10), (3, 15), (2, -20), (3, -15)]
    assert replay_peak(events) == 35


def test_release_of_unknown_memory_is_ignored():
    assert replay_peak([(9, -100), (1, 10)]) == 10


def test_an_address_used_anew_counts_once():
    assert replay_peak([(1, 10), (1, 30)]) == 30


def test_no_event_is_no_memory():
    assert replay_peak([]) == 0


def test_meter_sees_what_is_alive_at_once():
    def function():
        first = torch.zeros(1000)
        second = torch.zeros(2000)
        del first
        third = torch.zeros(500)
        return second, third

    assert peak_bytes(function) == 4 * 3000


def test_tensors_from_before_do_not_count():
    kept = [torch.zeros(10_000)]

    def function():
        kept.clear()
        return torch.zeros(300)

    assert peak_bytes(function) == 4 * 300


def test_tensors_from_an_earlier_measurement_do_not_count():
    kept = []
    peak_bytes(lambda: kept.append(torch.zeros(10_000)))

    def function():
        kept.clear()
        return torch.zeros(300)

    assert peak_bytes(function) == 4 * 300


def test_saved_activations_count():
    """Input, ten results; the last backward adds gradients, at most three."""
    peak = peak_bytes(lambda: chain(10, 5000).sum().backward())
    assert 11 * 20_000 <= peak <= 14 * 20_000


def test_one_graph_after_the_other_needs_less_than_both():
    def one_after_the_other():
        chain(10, 5000).sum().backward()
        chain(10, 5000).sum().backward()

    def jointly():
        (chain(10, 5000).sum() + chain(10, 5000).sum()).backward()

    assert peak_bytes(jointly) > 1.6 * peak_bytes(one_after_the_other)


def test_meter_gives_the_same_number_each_time():
    def function():
        chain(10, 5000).sum().backward()

    assert peak_bytes(function) == peak_bytes(function)
