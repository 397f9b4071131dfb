"""Memory of the labeler does not grow with the set."""

import time
import weakref

import pytest

from benchmarks.tiny_labelling import TINY_SIZE, resident_growth
from mmuda.utils.jobs import in_threads

MEGABYTE = 10**6


def test_many_images_need_the_memory_of_few(tmp_path):
    """The labels and scores of the further images alone are 16.6 MB."""
    kept = 2700 * TINY_SIZE[0] * TINY_SIZE[1] * (1 + 2)
    growth = resident_growth(tmp_path, [300, 3000])
    assert growth[3000] - growth[300] < 12 * MEGABYTE < kept


@pytest.mark.slow
def test_thirty_thousand_images_stay_below_the_goal(tmp_path):
    """Their labels and scores alone are 184 MB."""
    growth = resident_growth(tmp_path, [300, 30_000])
    assert growth[30_000] < 200 * MEGABYTE
    assert growth[30_000] - growth[300] < 40 * MEGABYTE


class Image:
    """Something to write that can be counted."""


def test_few_images_wait_for_a_slow_disk():
    alive, most = weakref.WeakSet(), 0

    def images():
        nonlocal most
        for _ in range(50):
            image = Image()
            alive.add(image)
            most = max(most, len(alive))
            yield (image,)

    def write(image):
        time.sleep(0.001)

    with in_threads(write, images(), threads=2, waiting=5) as written:
        assert len(list(written)) == 50
    # the one at hand, five that wait or run, and each thread's last one
    assert most <= 1 + 5 + 2


def test_an_image_is_forgotten_when_it_is_written():
    alive = weakref.WeakSet()

    def images():
        image = Image()
        alive.add(image)
        yield (image,)

    with in_threads(id, images(), threads=2) as written:
        list(written)
        assert not alive
