"""Videos that are read and written, ahead of time and whole."""

import errno
import shutil
import subprocess
import sys
import threading
import warnings

import cv2
import numpy as np
import pytest
from forked import on_full_disk

from mmuda.apis.prediction_inputs import InputWarning, items_of
from mmuda.apis.video_files import (
    ahead,
    missing_frames,
    read_frames,
    video_facts,
    video_name,
    written_video,
)
from mmuda.utils.errors import DataError, DiskFullError


@pytest.fixture
def codec(tmp_path):
    """Skip where OpenCV was built without MJPG."""
    code = cv2.VideoWriter.fourcc(*'MJPG')
    path = str(tmp_path / 'try.avi')
    writer = cv2.VideoWriter(path, code, 5, (16, 16))
    opened = writer.isOpened()
    writer.release()
    if not opened:
        pytest.skip('no MJPG')


def grey_frames(count, height=20, width=32):
    return [
        np.full((height, width, 3), 20 * number, np.uint8)
        for number in range(count)
    ]


@pytest.mark.parametrize('size', [(20, 32), (21, 33)])
def test_what_is_written_is_read(codec, tmp_path, size):
    path = tmp_path / 'new/video.avi'
    with written_video(path, 12.5) as writer:
        for frame in grey_frames(7, *size):
            writer.add(frame)
    facts = video_facts(path)
    even = [side + side % 2 for side in size]
    assert (facts.height, facts.width) == tuple(even)
    assert facts.rate == 12.5
    assert facts.frames == 7
    read = list(read_frames(path))
    assert [round(frame.mean() / 20) for frame in read] == [*range(7)]


def test_channels_are_turned_to_rgb_and_back(codec, tmp_path):
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 250
    with written_video(tmp_path / 'a.avi', 5) as writer:
        writer.add(red)
    (frame,) = read_frames(tmp_path / 'a.avi')
    assert frame[..., 2].mean() > 200
    assert frame[..., 0].mean() < 30


@pytest.mark.parametrize('rate', [29.97, 90.123, 239.947, 700.123])
def test_rates_that_mpeg_4_has_no_ticks_for(tmp_path, rate):
    path = tmp_path / 'a.mp4'
    with written_video(path, rate) as writer:
        for frame in grey_frames(5):
            writer.add(frame)
    assert video_facts(path).rate == pytest.approx(rate, rel=1e-4)
    assert len(list(read_frames(path))) == 5


def write_noise(path):
    generator = np.random.default_rng(0)
    with written_video(path, 25) as writer:
        for _ in range(40):
            writer.add(generator.integers(0, 255, (64, 64, 3), np.uint8))


@pytest.mark.parametrize('name', ['a.avi', 'a.mkv', 'a.mp4'])
def test_a_full_disk_leaves_no_video_that_ends_early(tmp_path, name):
    path = tmp_path / name
    write_noise(path)
    half = path.stat().st_size // 2
    path.unlink()
    error = on_full_disk(write_noise, path, size=half)
    assert isinstance(error, DiskFullError)
    assert [*tmp_path.iterdir()] == []


def write_where_none_is_free(path):
    usage = shutil.disk_usage(path.parent)
    shutil.disk_usage = lambda folder: usage._replace(free=0)
    with written_video(path, 25) as writer:
        writer.add(np.zeros((64, 64, 3), np.uint8))
        raise PermissionError(errno.EPERM, 'goes on')


@pytest.mark.parametrize(
    ('size', 'kind'), [(1000, DiskFullError), (100_000, PermissionError)]
)
def test_a_full_disk_ends_a_video_at_once(codec, tmp_path, size, kind):
    path = tmp_path / 'a.avi'
    error = on_full_disk(write_where_none_is_free, path, size=size)
    assert type(error) is kind


def write_half(path):
    with written_video(path, 5) as writer:
        writer.add(grey_frames(1)[0])
        raise ValueError('half')


def test_a_video_that_fails_is_not_left(codec, tmp_path):
    with pytest.raises(ValueError, match='half'):
        write_half(tmp_path / 'a.avi')
    assert list(tmp_path.glob('*a.*')) == []


@pytest.mark.parametrize(
    ('name', 'written'),
    [
        ('a.avi', 'a.avi'),
        ('a.MP4', 'a.MP4'),
        ('a.webm', 'a.mp4'),
        ('camera_0', 'camera_0.mp4'),
    ],
)
def test_names_of_videos(name, written):
    assert video_name(name) == written


def test_no_video(tmp_path):
    (tmp_path / 'a.avi').write_bytes(b'nothing')
    with pytest.raises(DataError, match='no such video'):
        next(read_frames(tmp_path / 'b.avi'))
    with pytest.raises(DataError, match=r'a.avi.* cannot be opened'):
        next(read_frames(tmp_path / 'a.avi'))


def test_a_video_that_is_cut_off_says_so(codec, tmp_path):
    path = tmp_path / 'a.avi'
    with written_video(path, 5) as writer:
        for frame in grey_frames(12, 480, 640):
            writer.add(frame)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert len(list(items_of(path))) == 12
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.warns(InputWarning, match=r'of 12 frames could be') as told:
        count = len(list(items_of(path)))
    assert 1 <= count < 10
    assert f"a.avi': {count} of 12" in str(told[0].message)


@pytest.mark.parametrize(
    ('count', 'frames', 'whole'),
    [(8, 10, True), (7, 10, False), (1, None, True), (11, 10, True)],
)
def test_two_frames_more_or_less_are_no_damage(count, frames, whole):
    assert (missing_frames('a.avi', count, frames) is None) is whole


def test_items_are_made_ahead_in_another_thread():
    made, closed = [], []

    def items():
        try:
            for number in range(50):
                made.append(threading.current_thread())
                yield number
        finally:
            closed.append(True)

    results = ahead(items(), 3)
    assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    results.close()
    assert closed == [True]
    assert len(made) <= 8
    assert threading.main_thread() not in made
    assert list(ahead(items(), 3)) == [*range(50)]


def test_errors_come_through():
    def items():
        yield 1
        raise DataError('broken')

    results = ahead(items(), 2)
    assert next(results) == 1
    with pytest.raises(DataError, match='broken'):
        next(results)


LEFT_AT_THE_END = """
from mmuda.apis.video_files import ahead
items = ahead(iter(range(9)), 2)
print(next(items))
"""


def test_what_is_left_at_the_end_of_a_program_is_no_error():
    result = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', LEFT_AT_THE_END],
        capture_output=True,
        text=True,
    )
    assert (result.stdout, result.stderr) == ('0\n', '')
