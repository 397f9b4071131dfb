import numpy as np
import pytest
import torch

from benchmarks.image_formats import (
    KINDS,
    image_dataset,
    image_format_rows,
    load_as_published,
    write_image,
)


def test_rows_of_all_kinds(tmp_path):
    rows = image_format_rows(tmp_path, 0.05, rounds=1, warmup=0)
    assert [row.name.split(':')[0] for row in rows[::3]] == list(KINDS)
    assert all(row.value > 0 for row in rows)
    assert [row.goal for row in rows[:3]] == [0.5, 1.3, 0.2]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('kind', KINDS)
def test_all_load_the_same_image(tmp_path, kind):
    small = KINDS[kind]._replace(size=(96, 48), seen=(40, 20))
    path = write_image(tmp_path, small)
    published = load_as_published(path, small.seen)
    mean = np.float32([104.00698793, 116.66876762, 122.67891434])
    pixels = torch.from_numpy(published + mean[:, None, None])
    for cache in (None, tmp_path / 'cache'):
        found = image_dataset(tmp_path, small, cache)[0]['inputs']
        assert found.shape == published.shape
        assert (found - pixels).abs().max() < 1.01
