# Copyright (c) mmuda authors.
"""Labelling generated images with a network that takes no time."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

from benchmarks.labelling import ESL_RULE, spread_logits
from benchmarks.setting import Size
from mmuda.pseudo_labels.labeler import PseudoLabeler
from mmuda.pseudo_labels.labelling_options import PseudoLabelOptions
from mmuda.pseudo_labels.second_pass import FOLDER, JOB, Report
from mmuda.registry import DATASETS, MODELS
from mmuda.utils.errors import ConfigError
from mmuda.utils.setup_env import register_all_modules
from street_scenes import render_scene

CLASSES = 19
TINY_SIZE = (64, 32)
_BATCH_SIZE = 8
_PIPELINE = [dict(type='LoadImage'), dict(type='PackDomainInputs')]
_MODEL = dict(
    type='SourceOnly',
    data_preprocessor=dict(
        type='DomainDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3
    ),
    segmentor=dict(
        type='UDAEncoderDecoder',
        backbone=dict(
            type='DeepLabResNet',
            depth=18,
            base_channels=8,
            num_stages=1,
            strides=(2,),
            dilations=(1,),
            out_indices=(0,),
            norm_cfg=dict(type='BN', requires_grad=True),
        ),
        decode_head=dict(
            type='DLV2Head',
            in_channels=8,
            in_index=0,
            num_classes=CLASSES,
            align_corners=True,
            loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
        ),
    ),
)


def resident_growth(
    folder: Path, counts: Sequence[int], size: Size = TINY_SIZE
) -> dict[int, int]:
    """Peak of a process's memory while it labels, above that before.

    The process is a new one, runs the network once and then labels sets of
    random images one after the other, each with a data set of its own. It
    loads the images itself. Linux only.

    Args:
        folder: For generated images and labels.
        counts: Numbers of images of the sets.
        size: Width and height of the images.

    Returns:
        Bytes by number of images, ascending: the peak until then.

    Raises:
        ConfigError: A set has no image.
    """
    counts = sorted(set(counts))
    if not counts or counts[0] < 1:
        raise ConfigError(f'--set-sizes {counts}: give positive numbers')
    for count in counts:
        write_images(folder / str(count), count, size)
    # Started anew, or it would begin with this process's memory.
    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as executor:
        return executor.submit(_label_and_watch, folder, counts).result()


def _label_and_watch(folder: Path, counts: Sequence[int]) -> dict[int, int]:
    register_all_modules()
    torch.set_num_threads(1)
    model, growth = tiny_model(), {}
    _spread_logits_on(model, folder / str(counts[0]))
    before = resident_bytes('VmRSS')
    for count in counts:
        label_images(model, folder / str(count))
        growth[count] = resident_bytes('VmHWM') - before
    return growth


def resident_bytes(field: str) -> int:
    """Memory of this process that is in RAM, as Linux counts it.

    Args:
        field: ``VmRSS`` (now) or ``VmHWM`` (at the peak so far).

    Raises:
        KeyError: There is no such field.
    """
    # The peak that the module resource tells may be that of the parent.
    lines = Path('/proc/self/status').read_text().splitlines()
    fields = dict(line.split(':', 1) for line in lines)
    return 1024 * int(fields[field].split()[0])


def spool_image_bytes(folder: Path, size: Size) -> int:
    """Bytes on disk that one street scene takes until the labels are made.

    Args:
        folder: For image and labels.
        size: Width and height.
    """
    image, _ = render_scene('cityscapes', 0, 0, size)
    (folder / 'images').mkdir(parents=True)
    cv2.imwrite(str(folder / 'images' / 'scene.png'), image[..., ::-1])
    model, sizes = tiny_model(), []
    _spread_logits_on(model, folder)

    def report(part: str, done: int, total: int) -> None:
        if part == 'selecting':
            files = (folder / 'labels' / FOLDER).rglob('*')
            sizes.extend(
                file.stat().st_size
                for file in files
                if file.is_file() and file.name != JOB
            )

    label_images(model, folder, report)
    return sum(sizes)


def write_images(folder: Path, count: int, size: Size) -> None:
    """Write images of noise below ``images``, at most 100 in a folder.

    Args:
        folder: Where to write.
        count: Number of images.
        size: Width and height.
    """
    shape = (size[1], size[0], 3)
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    files = [
        cv2.imencode('.png', np.roll(noise, shift, axis=1))[1].tobytes()
        for shift in range(min(count, size[0]))
    ]
    for number in range(count):
        path = folder / 'images' / f'{number // 100:04}' / f'{number:06}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files[number % len(files)])


def tiny_model() -> nn.Module:
    """A network of few channels with one head, at a quarter of the size."""
    torch.manual_seed(0)
    return MODELS.build(_MODEL).eval()


def image_folder(folder: Path) -> Dataset:
    """The images below ``folder/images``.

    Args:
        folder: See ``write_images``.
    """
    config = dict(
        type='FolderDataset',
        data_root=str(folder),
        data_prefix=dict(img_path='images'),
        img_suffix='.png',
        pipeline=_PIPELINE,
    )
    return DATASETS.build(config)


def label_images(
    model: nn.Module,
    folder: Path,
    report: Report = lambda part, done, total: None,
) -> None:
    """Label the images below ``folder/images`` into ``folder/labels``.

    Args:
        model: The network.
        folder: See ``write_images``.
        report: See ``PseudoLabeler``.
    """
    options = PseudoLabelOptions(
        ESL_RULE, _PIPELINE, batch_size=_BATCH_SIZE, num_workers=0
    )
    labeler = PseudoLabeler(options.predictor(model), options, report)
    about = dict(config='', checkpoints=())
    labeler.run(image_folder(folder), folder / 'labels', **about)


def _spread_logits_on(model: nn.Module, folder: Path) -> None:
    """Make the scores of the folder's first image differ by pixel."""
    batch = {name: [value] for name, value in image_folder(folder)[0].items()}
    spread_logits(model, model.data_preprocessor(batch, False)['inputs'])
