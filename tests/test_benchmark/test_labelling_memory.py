import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from benchmarks.labelling_memory import (
    memory_parts,
    published_bytes,
    spool_rows,
)
from benchmarks.tiny_labelling import (
    CLASSES,
    resident_growth,
    spool_image_bytes,
    write_images,
)
from mmuda.evaluation.label_free_state import LabelFreeState
from mmuda.utils.errors import ConfigError


def test_histogram_is_small():
    """19 classes, 4096 bins, 8 bytes."""
    assert memory_parts(2975)['histogram'] == 622_592


def test_writer_holds_eighteen_images():
    """16 that wait, one before and one after; three bytes a pixel."""
    assert memory_parts(2975, (1024, 512))['writer'] == 18 * 524_288 * 3


def test_only_lists_grow_with_the_set():
    few, many = memory_parts(300), memory_parts(30_000)
    assert many.pop('lists') == 100 * few.pop('lists')
    assert few == many


@pytest.mark.parametrize('count', [2975, 18_000, 30_000])
def test_real_sets_fit_the_goal(count):
    assert sum(memory_parts(count).values()) < 200e6


def test_published_code_needs_thirty_gigabytes():
    assert published_bytes(2975) == pytest.approx(30.7e9, rel=0.01)


def test_published_code_cuts_large_sets_into_parts():
    assert published_bytes(18_000) == published_bytes(3000)


def test_disk_is_that_of_one_image_times_the_number():
    values = [row.value for row in spool_rows(10**6)]
    assert values == pytest.approx([2.975, 18.0])


def test_spool_of_an_image_holds_its_labels_and_scores(tmp_path):
    """One byte and two for each pixel, headers, and label-free sums.

    Of these a place of the histogram is two numbers, and there is one for
    each of the 12 x 8 logits at most.
    """
    size = spool_image_bytes(tmp_path, (96, 64))
    sums = LabelFreeState(CLASSES).packed().nbytes
    assert 0 < size - 96 * 64 * 3 - sums < 1000 + 12 * 8 * 16


def test_images_have_the_size_asked_for(tmp_path):
    write_images(tmp_path, 102, (40, 24))
    files = sorted(tmp_path.rglob('*.png'))
    assert len(files) == 102
    assert {Image.open(file).size for file in files} == {(40, 24)}


def test_neighbouring_images_differ(tmp_path):
    write_images(tmp_path, 2, (40, 24))
    first, second = map(Image.open, sorted(tmp_path.rglob('*.png')))
    assert (np.asarray(first) != np.asarray(second)).mean() > 0.9


def test_peak_sees_memory_that_was_given_back():
    """In a process of its own, whose peak is not above what it holds."""
    program = (
        'import numpy as np\n'
        'from benchmarks.tiny_labelling import resident_bytes\n'
        "before = resident_bytes('VmHWM')\n"
        "size = before - resident_bytes('VmRSS') + 50 * 10**6\n"
        'np.ones(size, dtype=np.uint8)\n'
        "print(resident_bytes('VmHWM') - before)"
    )
    output = subprocess.check_output([sys.executable, '-c', program])
    # some versions of the stack print while they are imported
    grown = int(output.splitlines()[-1])
    assert grown == pytest.approx(50e6, abs=10e6)


def test_empty_set_is_refused(tmp_path):
    with pytest.raises(ConfigError, match='--set-sizes'):
        resident_growth(tmp_path, [0, 10])
