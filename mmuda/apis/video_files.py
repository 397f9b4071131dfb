# Copyright (c) mmuda authors.
"""Reading videos and cameras, and writing videos whole or not at all."""

import os
import shutil
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

import cv2
import numpy as np

from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.files import atomic_path

VIDEO_EXTENSIONS = frozenset(
    (
        *('.avi', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg', '.webm'),
        '.wmv',
    )
)
# What is written: the codec that OpenCV has everywhere, by ending.
_CODECS = {'.avi': 'MJPG', '.mkv': 'MJPG', '.mp4': 'mp4v', '.mov': 'mp4v'}
_OTHER = '.mp4'
_FALLBACK = '.avi'
_USUAL_RATE = 25.0
_AHEAD = 4
_SPACE = 2**20
# Containers tell their number of frames more or less exactly.
_UNSURE_FRAMES = 2
_End = object()
_T = TypeVar('_T')


class VideoFacts(NamedTuple):
    """What a video or camera says of itself.

    Attributes:
        rate: Frames a second.
        frames: Their number; None if it is not known, as of cameras.
        width: Pixels in a row.
        height: Rows.
    """

    rate: float
    frames: int | None
    width: int
    height: int


def video_facts(source: int | str | os.PathLike) -> VideoFacts:
    """Ask a video or camera what it has.

    Args:
        source: A path, or the number of a camera.

    Raises:
        DataError: It can't be opened.
    """
    capture = _opened(source)
    try:
        rate = capture.get(cv2.CAP_PROP_FPS)
        frames = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        return VideoFacts(
            rate if 0 < rate < 1000 else _USUAL_RATE,
            frames if frames > 0 and not isinstance(source, int) else None,
            int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
            int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
        )
    finally:
        capture.release()


def read_frames(source: int | str | os.PathLike) -> Iterator[np.ndarray]:
    """Yield the frames of a video or camera, decoded some frames ahead.

    Args:
        source: A path, or the number of a camera.

    Yields:
        (H, W, 3) uint8 BGR.

    Raises:
        DataError: It can't be opened, or has no frame.
    """
    # A camera's next frame is the one that is there when it is asked for.
    depth = 1 if isinstance(source, int) else _AHEAD
    yield from ahead(_frames(source), depth)


def _frames(source: int | str | os.PathLike) -> Iterator[np.ndarray]:
    capture = _opened(source)
    found = False
    try:
        while True:
            whole, frame = capture.read()
            if not whole:
                break
            found = True
            yield frame
    finally:
        capture.release()
    if not found:
        raise DataError(f'{_name(source)} has no frame that can be decoded')


def missing_frames(
    source: int | str | os.PathLike, count: int, frames: int | None
) -> str | None:
    """Say if a video has ended before it should.

    OpenCV tells no damage from the end.

    Args:
        source: The video.
        count: Number of frames that were decoded.
        frames: Number that the video says it has, as of :func:`video_facts`.

    Returns:
        A sentence; None of a whole video.
    """
    if frames is None or count >= frames - _UNSURE_FRAMES:
        return None
    return (
        f'{_name(source)}: {count} of {frames} frames could be decoded; it is '
        'damaged or not whole: copy it again'
    )


def ahead(items: Iterable[_T], depth: int) -> Iterator[_T]:
    """Yield items that another thread makes ahead of time, in their order.

    Args:
        items: Are asked for in that thread alone.
        depth: How many at most lie ready.
    """
    source = iter(items)
    with ThreadPoolExecutor(1) as reader:
        try:
            ready: deque[Future] = deque(
                reader.submit(next, source, _End) for _ in range(depth)
            )
            while (item := ready.popleft().result()) is not _End:
                ready.append(reader.submit(next, source, _End))
                yield item
        finally:
            for future in ready:
                future.cancel()
            # At exit none is taken.
            with suppress(RuntimeError):
                reader.submit(getattr(source, 'close', int)).result()


class VideoWriter:
    """Frames of one size that become a video.

    Args:
        path: Of the file.
        rate: Frames a second.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self.path, self.rate = path, rate
        self.count = 0
        self._writer: cv2.VideoWriter | None = None

    def add(self, picture: np.ndarray) -> None:
        """Add a frame.

        Args:
            picture: (H, W, 3) RGB, uint8, all of one size; an odd row or
                column at the end is doubled, which codecs ask for.

        Raises:
            ConfigError: This OpenCV can't write such a video.
        """
        height, width = picture.shape[:2]
        frame = np.pad(
            picture[..., ::-1],
            ((0, height % 2), (0, width % 2), (0, 0)),
            mode='edge',
        )
        if self._writer is None:
            self._writer = self._open(frame.shape[1], frame.shape[0])
        # OpenCV would go on to the end.
        _require_space(self.path.parent, min(frame.nbytes, _SPACE))
        self._writer.write(frame)
        self.count += 1

    def _open(self, width: int, height: int) -> cv2.VideoWriter:
        codec = _CODECS[self.path.suffix.lower()]
        code = cv2.VideoWriter.fourcc(*codec)
        rate, size = self.rate, (width, height)
        if rate > 65:
            # OpenCV writes thousandths, and a second of MPEG-4 has 65535
            # ticks at most.
            rate = round(rate, 2 if rate < 655 else 1)
        writer = cv2.VideoWriter(str(self.path), code, rate, size)
        if not writer.isOpened():
            raise ConfigError(
                f'OpenCV cannot write {codec} into {self.path.suffix}; name '
                f'the video {_FALLBACK}'
            )
        return writer

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.release()

    def require_whole(self) -> None:
        """Raise an OSError if frames are missing; OpenCV tells of none."""
        capture = cv2.VideoCapture(str(self.path))
        near_end = max(self.count - 1 - _UNSURE_FRAMES, 0)
        capture.set(cv2.CAP_PROP_POS_FRAMES, near_end)
        whole = capture.grab()
        capture.release()
        if not whole:
            raise OSError(f'{str(self.path)!r} could not be written')


@contextmanager
def written_video(
    path: str | os.PathLike, rate: float
) -> Iterator[VideoWriter]:
    """Write a video that is there when it is whole.

    Args:
        path: Of the file, as of :func:`video_name`.
        rate: Frames a second.

    Raises:
        DiskFullError: The disk is full.
    """
    with atomic_path(path) as temporary:
        writer = VideoWriter(temporary, rate)
        try:
            yield writer
        finally:
            writer.close()
        if writer.count:
            writer.require_whole()


def _require_space(folder: Path, size: int) -> None:
    # Of what is free root may take more.
    if shutil.disk_usage(folder).free < size:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(size))


def video_name(name: str) -> str:
    """Name of a written video: another ending where none is written so.

    Args:
        name: Of the video that was read; of a camera without an ending.
    """
    stem, ending = os.path.splitext(name)
    return stem + (ending if ending.lower() in _CODECS else _OTHER)


def require_video(path: str | os.PathLike) -> None:
    """Raise a DataError if there is no such file."""
    if not os.path.isfile(path):
        raise DataError(f'{_name(path)}: no such video; correct the path')


def _opened(source: int | str | os.PathLike) -> cv2.VideoCapture:
    if not isinstance(source, int):
        require_video(source)
    capture = cv2.VideoCapture(
        source if isinstance(source, int) else os.fspath(source)
    )
    if not capture.isOpened():
        capture.release()
        raise DataError(
            f'{_name(source)} cannot be opened; '
            + (
                'correct its number, and close what else uses it'
                if isinstance(source, int)
                else 'it is damaged, or of a kind that OpenCV cannot read'
            )
        )
    return capture


def _name(source: int | str | os.PathLike) -> str:
    if isinstance(source, int):
        return f'camera {source}'
    return repr(os.fspath(source))
