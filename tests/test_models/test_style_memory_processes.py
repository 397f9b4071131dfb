"""Which styles two gloo processes recall of what both kept."""

import gloo
import pytest
import torch
from mmengine.dist import get_rank

from mmuda.models.style import ChannelStatistics
from mmuda.models.uda.coast import StyleMemory

# Sample n of rank r has means 10 r + n, 100 more in the second layer, and
# deviations half a unit above.
ROWS = [[0, 1], [10, 11]]
CHANNELS = (2, 3)


def layer(values, shift, channels):
    mean = torch.tensor(values).float()[:, None].expand(-1, channels) + shift
    return ChannelStatistics(mean, mean + 0.5)


def kept_style(rank):
    first, second = CHANNELS
    return (layer(ROWS[rank], 0, first), layer(ROWS[rank], 100, second))


def recall_in_process():
    """Styles of one, two and three samples by their number, and the state.

    Last what is recalled when other features, 500 above, were kept.
    """
    memory = StyleMemory(['rome', 'oslo'])
    memory.keep('rome', kept_style(get_rank()))
    styles = {
        count: memory.recall('rome', count, torch.device('cpu'))
        for count in (1, 2, 3)
    }
    state = memory.get_extra_state()
    values = ROWS[get_rank()]
    memory.keep_features('rome', (layer(values, 500, CHANNELS[1]),))
    return styles, state, memory.recall('rome', 2, torch.device('cpu'))


@pytest.fixture(scope='module')
def ranks(tmp_path_factory):
    return gloo.run(recall_in_process, tmp_path_factory.mktemp('ranks'))


@pytest.mark.parametrize('rank', [0, 1])
def test_means_are_those_that_the_process_kept(ranks, rank):
    found = [part.mean.tolist() for part in ranks[rank][0][2]]
    assert found == [part.mean.tolist() for part in kept_style(rank)]


@pytest.mark.parametrize('rank', [0, 1])
def test_deviations_are_those_that_the_process_kept(ranks, rank):
    found = [part.std.tolist() for part in ranks[rank][0][2]]
    assert found == [part.std.tolist() for part in kept_style(rank)]


@pytest.mark.parametrize(
    ('count', 'expected'), [(1, [[0], [1]]), (3, [[0, 1, 10], [11, 0, 1]])]
)
def test_batches_of_another_size_go_on_where_the_last_rank_ends(
    ranks, count, expected
):
    found = [styles[count][0].mean[:, 0].tolist() for styles, *_ in ranks]
    assert found == expected


@pytest.mark.parametrize('rank', [0, 1])
def test_each_process_remembers_the_samples_of_all(ranks, rank):
    assert ranks[rank][1][0, :, 0].tolist() == [0, 1, 10, 11]


@pytest.mark.parametrize('rank', [0, 1])
def test_other_features_are_of_the_process_that_kept_them(ranks, rank):
    images, features = ranks[rank][2]
    assert images.mean[:, 0].tolist() == ROWS[rank]
    assert features.mean[:, 0].tolist() == [500 + v for v in ROWS[rank]]
