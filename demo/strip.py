# Copyright (c) mmuda authors.
"""One row of pictures that says what adaptation is, for the first page."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from PIL import Image, ImageOps
from rich.progress import track

from mmuda.datasets.images.image_io import read_image
from mmuda.evaluation.comparison_pictures import (
    ComparedModel,
    image_miou,
    load_models,
    title_of,
)
from mmuda.registry import DATASETS
from mmuda.utils.drawing import colourise, legend, panel, stack
from mmuda.utils.errors import DataError
from mmuda.utils.files import atomic_path

_COLOURS = 256  # of the file, which is a third as large as with all of them


def draw_strip(
    models: Mapping[str, tuple[Config, str]], file: Path, width: int = 264
) -> None:
    """Draw a source image, a target image, and what models predict of it.

    That of the target has the middle one of all test images' gains (mIoU of
    the last model less that of the first), that of the source is in the middle
    of its set, and is cut to the target's shape.

    Args:
        models: Config and checkpoint of each, by its name.
        file: Where to write a PNG of few colours.
        width: Of each picture, in pixels.

    Raises:
        DataError: No test image has a label.
    """
    trained = load_models(
        {name: config for name, (config, _) in models.items()},
        {name: checkpoint for name, (_, checkpoint) in models.items()},
    )
    index, target = _shown_image([*trained.values()])
    config, _ = next(iter(models.values()))
    sources = DATASETS.build(config.train_dataloader.dataset.source)
    middle = sources.get_data_info(len(sources) // 2)
    source = read_image(middle['img_path'])[..., ::-1]
    size = width, round(width * target.shape[0] / target.shape[1])
    smooth, sharp = Image.Resampling.LANCZOS, Image.Resampling.NEAREST
    tiles = {
        'source: images and labels': _fitted(source, size, smooth),
        'target: images': _fitted(target, size, smooth),
    }
    classes = sources.metainfo['classes']
    palette = sources.metainfo['palette']
    for name, model in trained.items():
        labels, truth = _predicted(model, index)
        title = title_of(name, labels, truth, len(classes))
        tiles[title] = _fitted(colourise(labels, palette), size, sharp)
    row = panel(tiles)
    picture = stack([row, legend(classes, palette, row.shape[1])])
    with atomic_path(file) as temporary:
        reduced = Image.fromarray(picture).quantize(_COLOURS)
        reduced.save(temporary, format='PNG', optimize=True)


def middle_gain(gains: Sequence[float]) -> int:
    """Place of the middle one of gains, the upper one of two.

    Args:
        gains: Numbers, NaN where nothing is known, which is left out.

    Raises:
        DataError: Nothing is known at all.
    """
    known = [place for place, gain in enumerate(gains) if np.isfinite(gain)]
    if not known:
        raise DataError('the test images have no labels to compare with')
    return sorted(known, key=lambda place: gains[place])[len(known) // 2]


def _shown_image(models: Sequence[ComparedModel]) -> tuple[int, np.ndarray]:
    """Place of a test image among all, and the image (H, W, 3) in RGB."""
    first, last = models[0], models[-1]
    images = first.datasets[0]
    places = track(range(len(images)), 'test images')
    index = middle_gain([_miou(last, i) - _miou(first, i) for i in places])
    path = images.get_data_info(index)['img_path']
    return index, read_image(path)[..., ::-1]


def _miou(model: ComparedModel, index: int) -> float:
    classes = model.datasets[0].metainfo['classes']
    return image_miou(*_predicted(model, index), len(classes))


def _predicted(
    model: ComparedModel, index: int
) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and true classes (H, W) of a test image."""
    batch = pseudo_collate([model.datasets[0][index]])
    with torch.no_grad():
        sample = model.model.test_step(batch)[0]
    predicted, truth = sample.pred_sem_seg, sample.gt_sem_seg
    return predicted.data[0].numpy(), truth.data[0].numpy()


def _fitted(
    picture: np.ndarray, size: tuple[int, int], method: Image.Resampling
) -> np.ndarray:
    tile = Image.fromarray(np.ascontiguousarray(picture))
    return np.asarray(ImageOps.fit(tile, size, method))
