# Copyright (c) mmuda authors.
"""Predicting folders and videos into files, with progress."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from mmuda.apis.prediction_files import (
    FOLDERS,
    LABELS,
    PROBABILITIES,
    TRAIN_IDS,
    PredictionFiles,
)
from mmuda.apis.prediction_inputs import images_in, is_video, require_image
from mmuda.apis.segmentation import Segmentation
from mmuda.apis.segmenter import Segmenter
from mmuda.apis.video_files import (
    VideoWriter,
    missing_frames,
    require_video,
    video_facts,
    video_name,
    written_video,
)
from mmuda.datasets.prediction_names import file_names
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.jobs import in_threads

_WRITERS = 2
_QUEUE = 4


@dataclass
class Outcome:
    """What became of the images.

    Attributes:
        written: Number of images or frames that were predicted.
        there: Number of those that were there already.
        faults: Messages of those that could not be read, of a video that it
            was damaged.
        files: Videos, if there are any.
    """

    written: int = 0
    there: int = 0
    faults: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


def images_of(inputs: str, out: Path) -> dict[str, str]:
    """Name the predictions of an image or of all in a folder.

    Args:
        inputs: Path of an image or folder.
        out: Folder of the results, which may lie in it.

    Returns:
        Names with ``/`` and without an ending, by the path of the image.

    Raises:
        DataError: There is no image.
    """
    if not os.path.isdir(inputs):
        require_image(inputs)
        return {inputs: os.path.splitext(os.path.basename(inputs))[0]}
    found = images_in(inputs, [out / name for name in FOLDERS])
    names = file_names(found)
    return {os.path.join(inputs, path): names[path] for path in found}


def predict_images(
    segmenter: Segmenter,
    names: dict[str, str],
    files: PredictionFiles,
    batch_size: int = 1,
    overwrite: bool = False,
) -> Outcome:
    """Predict images into files; those whose files are there are left out.

    Args:
        segmenter: The network.
        names: As of :func:`images_of`.
        files: What is written.
        batch_size: As of ``Segmenter.predict``.
        overwrite: Predict images, too, whose files are there.

    Returns:
        What became of them; one that can't be read is a fault, and the others
        go on.
    """
    left = [
        path
        for path, name in names.items()
        if overwrite or not files.are_whole(name, path)
    ]
    outcome = Outcome(there=len(names) - len(left))

    def write(result: Segmentation) -> None:
        assert result.path is not None, 'images are given by path'
        files.write(names[result.path], result)

    results = segmenter.predict(
        left,
        batch_size,
        files.outputs,
        on_error=lambda item, error: outcome.faults.append(str(error)),
    )
    assert isinstance(results, Iterator), 'of a list'
    outcome.written = _write_all(write, results, len(left), _WRITERS)
    return outcome


def videos_of(inputs: str | int, files: PredictionFiles) -> dict[str, Path]:
    """Name the videos that are written of one, by what they show.

    Args:
        inputs: Path of a video, or number of a camera.
        files: What is written.

    Raises:
        ConfigError: It is nothing that a video can show.
        DataError: There is no such video.
    """
    if PROBABILITIES in files.kinds or files.ids != TRAIN_IDS:
        raise ConfigError(
            'a video shows colours: --probabilities and --ids are for images; '
            'leave them out'
        )
    if isinstance(inputs, int):
        name = f'camera_{inputs}_{datetime.now():%Y%m%d_%H%M%S}'
    else:
        require_video(inputs)
        name = os.path.basename(inputs)
    kinds = (LABELS, *files.kinds)
    return {kind: files.folder / kind / video_name(name) for kind in kinds}


def predict_video(
    segmenter: Segmenter,
    inputs: str | int,
    files: PredictionFiles,
    batch_size: int = 1,
    overwrite: bool = False,
) -> Outcome:
    """Predict the frames of a video or camera into videos.

    A camera is predicted until Ctrl-C, and its videos are whole then.

    Args:
        segmenter: The network.
        inputs: Path of a video, or number of a camera.
        files: What is written; labels are shown in their colours.
        batch_size: Of a camera 1.
        overwrite: Predict it again.

    Returns:
        What became of them; a video that ends too early is a fault, and is
        predicted anew by the next run.

    Raises:
        ConfigError: As of :func:`videos_of`.
        DataError: It can't be read.
    """
    assert is_video(inputs), 'as the caller has looked'
    camera = isinstance(inputs, int)
    paths = videos_of(inputs, files)
    outcome = Outcome(files=list(paths.values()))
    facts = video_facts(inputs)
    if not (camera or overwrite) and _all_whole(
        paths.values(), str(inputs), facts.frames
    ):
        outcome.there = 1
        return outcome
    results = segmenter.predict(
        inputs, 1 if camera else batch_size, files.outputs
    )
    assert isinstance(results, Iterator), 'of a video'
    with ExitStack() as stack:
        writers = {
            kind: stack.enter_context(written_video(path, facts.rate))
            for kind, path in paths.items()
        }
        outcome.written = write_frames(
            results, files, writers, facts.frames, camera
        )
    fault = missing_frames(inputs, outcome.written, facts.frames)
    outcome.faults += [fault] if fault else []
    return outcome


def write_frames(
    results: Iterator[Segmentation],
    files: PredictionFiles,
    writers: dict[str, VideoWriter],
    total: int | None = None,
    endless: bool = False,
) -> int:
    """Add predictions to videos, in a thread of their own; count them.

    Args:
        results: Of the frames.
        files: Draws them.
        writers: By what they show.
        total: Number of frames.
        endless: Whether Ctrl-C is the usual end.
    """

    def write(result: Segmentation) -> None:
        for kind, writer in writers.items():
            writer.add(files.picture(kind, result))

    try:
        _write_all(write, results, total, 1)
    except KeyboardInterrupt:
        if not endless or not writers[LABELS].count:
            raise
    return writers[LABELS].count


def _write_all(
    function: Callable[[Segmentation], None],
    results: Iterator[Segmentation],
    total: int | None,
    threads: int,
) -> int:
    """Call a function with each result, beside the network; count them."""
    calls = ((result,) for result in results)
    with in_threads(
        function, calls, threads, 'predict', total, _QUEUE
    ) as written:
        return sum(1 for _ in written)


def _all_whole(paths: Iterable[Path], video: str, frames: int | None) -> bool:
    """Whether videos are there, newer than theirs and as long."""
    taken = os.stat(video).st_mtime_ns
    try:
        return all(
            path.stat().st_mtime_ns >= taken
            and not missing_frames(path, video_facts(path).frames or 0, frames)
            for path in paths
        )
    except (OSError, DataError):
        return False
