# Copyright (c) mmuda authors.
"""Predict an image, a folder of images, a video or a camera.

Writes the classes of each pixel as PNGs named by the paths of the images, and
overlays, entropy maps and probabilities if they are asked for. Of a video or
camera it writes videos; a camera is predicted until Ctrl-C. A folder goes on
where an earlier run has stopped.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmuda.apis import Segmenter
from mmuda.apis.prediction_files import (
    ENTROPY,
    OVERLAY,
    PROBABILITIES,
    TRAIN_IDS,
    PredictionFiles,
    claim_folder,
)
from mmuda.apis.prediction_inputs import is_video
from mmuda.apis.prediction_runs import (
    Outcome,
    images_of,
    predict_images,
    predict_video,
    videos_of,
)
from mmuda.apis.video_files import video_facts
from mmuda.datasets.server_formats import FORMATS
from mmuda.utils.checks import COUNT
from mmuda.utils.checksums import sha256_of
from mmuda.utils.cli import (
    add_config_options,
    add_traceback_option,
    checked,
    path_argument,
    run_tool,
)
from mmuda.utils.compat import local_checkpoint
from mmuda.utils.locks import only_writer
from mmuda.utils.mixed_precision import add_amp_option, precision_of_args
from mmuda.utils.text import join_some
from mmuda.utils.tta import add_tta_options

UNREADABLE = 1


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'input',
        nargs='+',
        help='image, folder (with all folders in it), video, or number of a '
        'camera such as 0; several are predicted one after another',
    )
    parser.add_argument(
        '--config',
        help='config of the network; by default the one that is recorded in '
        'the checkpoint',
    )
    parser.add_argument(
        '--checkpoint',
        action='append',
        required=True,
        metavar='FILE',
        help='trained weights; given several times, those predict as an '
        'ensemble, by the weighted sum of their logits',
    )
    parser.add_argument(
        '--weights',
        nargs='+',
        type=float,
        metavar='W',
        help='weight of each checkpoint of an ensemble; equal by default',
    )
    add_output_options(parser)
    add_network_options(parser)
    add_config_options(parser)
    add_traceback_option(parser)
    # Inputs may stand before and behind options.
    return parser.parse_intermixed_args(argv)


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Add what is written."""
    parser.add_argument(
        '--out',
        type=path_argument,
        required=True,
        metavar='DIR',
        help='folder of the results: labels/ and what else is asked for, in '
        'each the folders of the images',
    )
    parser.add_argument(
        '--overlay',
        action='store_true',
        help='write the classes over the images, with a legend (overlay/)',
    )
    parser.add_argument(
        '--entropy',
        action='store_true',
        help='write how unsure the network is, with a colour bar (entropy/)',
    )
    parser.add_argument(
        '--probabilities',
        action='store_true',
        help='write the probabilities of all classes as npz of 16 bits '
        '(probabilities/)',
    )
    parser.add_argument(
        '--ids',
        choices=[TRAIN_IDS, *FORMATS],
        default=TRAIN_IDS,
        help='what the pixels of labels hold: train ids with the colours of '
        'the classes, or the ids of a server in grey',
    )
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='predict what is there already, too, and replace it',
    )


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """Add how it is predicted."""
    parser.add_argument(
        '--batch-size',
        type=checked(COUNT),
        default=1,
        metavar='N',
        help='images of one size that are predicted together',
    )
    add_tta_options(parser)
    parser.add_argument(
        '--head',
        metavar='NAME',
        help='head that predicts, where targets have heads of their own: '
        'agnostic, ensemble or the name of a target',
    )
    parser.add_argument(
        '--device', help='such as cuda:1 or cpu; by default a GPU if there is'
    )
    add_amp_option(parser, 'predict')


def source_of(text: str) -> str | int:
    """A path, which wins, or the number of a camera."""
    number = text.isdecimal() and not Path(text).exists()
    return int(text) if number else text


def kinds_of(args: argparse.Namespace) -> tuple[str, ...]:
    """What is written beside the labels."""
    return tuple(
        kind
        for kind in (OVERLAY, ENTROPY, PROBABILITIES)
        if getattr(args, kind)
    )


def network_of(
    args: argparse.Namespace, segmenter: Segmenter
) -> dict[str, Any]:
    """What decides the predictions."""
    return dict(
        checkpoints=[
            sha256_of(local_checkpoint(path)) for path in args.checkpoint
        ],
        config=segmenter.config_digest,
        weights=args.weights,
        amp=args.amp,
        ids=args.ids,
    )


def written_of(
    source: str | int, names: dict[str, str], files: PredictionFiles
) -> dict[Path, str]:
    """Files that will be written, with the image of each below the input."""
    if is_video(source):
        return {path: path.name for path in videos_of(source, files).values()}
    return {
        path: os.path.relpath(image, source)
        for image, name in names.items()
        for path in files.paths(name).values()
    }


def main(args: argparse.Namespace) -> int:
    """Predict."""
    warnings.showwarning = _show_warning
    sources, out = list(dict.fromkeys(map(source_of, args.input))), args.out
    # What can't be read is told before the network is built.
    names = {source: names_of(source, out) for source in sources}
    segmenter = Segmenter(
        args.config,
        args.checkpoint,
        args.device,
        options=args.cfg_options,
        weights=args.weights,
        tta=args.tta_scales or args.tta,
        head=args.head,
        precision=precision_of_args(args),
    )
    files = PredictionFiles(out, kinds_of(args), args.ids, segmenter.classes)
    given = {
        _full_name(source): written_of(source, names[source], files)
        for source in sources
    }
    with only_writer(out=out):
        claim_folder(out, network_of(args, segmenter), given, args.overwrite)
        code = 0
        images = {k: v for found in names.values() for k, v in found.items()}
        if images:
            outcome = predict_images(
                segmenter, images, files, args.batch_size, args.overwrite
            )
            code = _tell(outcome, out)
        for source in filter(is_video, sources):
            outcome = predict_video(
                segmenter, source, files, args.batch_size, args.overwrite
            )
            code = max(code, _tell(outcome, out))
    return code


def names_of(source: str | int, out: Path) -> dict[str, str]:
    """Name the predictions of images, as ``images_of``; of a video none.

    Raises:
        DataError: There is nothing to predict.
    """
    if not is_video(source):
        return images_of(str(source), out)
    video_facts(source)
    return {}


def _full_name(source: str | int) -> str:
    if isinstance(source, int):
        return f'camera {source}'
    return str(Path(source).resolve())


def _tell(outcome: Outcome, out: Path) -> int:
    what = 'image'
    if outcome.files:
        what = 'video' if outcome.there else 'frame'
    what += 's' * (outcome.written != 1)
    place = join_some([*map(str, outcome.files)]) or f'{out}'
    there = f', {outcome.there} there already' if outcome.there else ''
    print(f'Predicted {outcome.written} {what}{there}: {place}')
    for fault in outcome.faults:
        lead = 'error' if outcome.files else 'left out'
        print(f'{lead}: {fault}', file=sys.stderr)
    if outcome.faults and not outcome.files:
        print(
            f'error: {len(outcome.faults)} image(s) cannot be read',
            file=sys.stderr,
        )
    return UNREADABLE if outcome.faults else 0


def _show_warning(message: Warning | str, category: type, *_, **__) -> None:
    if issubclass(category, UserWarning):
        print(f'warning: {message}', file=sys.stderr, flush=True)


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
