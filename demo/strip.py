# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""One row of pictures that says what adaptation is, for the first page."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmseg.structures import SegDataSample
from PIL import Image, ImageOps

from mmuda.datasets.images.image_io import read_image
from mmuda.evaluation.comparison_pictures import title_of
from mmuda.models.trained import load_trained
from mmuda.registry import DATASETS, MODELS
from mmuda.utils.drawing import colourise, legend, panel, stack
from mmuda.utils.files import atomic_path

_COLOURS = 256  # of the file, which is a third as large as with all of them


def draw_strip(
    models: Mapping[str, tuple[Config, str]], file: Path, width: int = 264
) -> None:
    """Draw a source image, a target image, and what models predict of it.

    The images are those in the middle of their sets, whatever they show. That
    of the source is cut to the shape of the target's.

    Args:
        models: Config and checkpoint of each, by its name.
        file: Where to write a PNG of few colours.
        width: Of each picture, in pixels.
    """
    samples = {name: _predicted(*model) for name, model in models.items()}
    first, _ = next(iter(models.values()))
    sources = DATASETS.build(first.train_dataloader.dataset.source)
    middle = sources.get_data_info(len(sources) // 2)
    source = read_image(middle['img_path'])[..., ::-1]
    target = read_image(next(iter(samples.values())).img_path)[..., ::-1]
    size = width, round(width * target.shape[0] / target.shape[1])
    smooth, sharp = Image.Resampling.LANCZOS, Image.Resampling.NEAREST
    tiles = {
        'source: images and labels': _fitted(source, size, smooth),
        'target: images': _fitted(target, size, smooth),
    }
    classes = sources.metainfo['classes']
    palette = sources.metainfo['palette']
    for name, sample in samples.items():
        labels = sample.pred_sem_seg.data[0].numpy()
        truth = sample.gt_sem_seg.data[0].numpy()
        title = title_of(name, labels, truth, len(classes))
        tiles[title] = _fitted(colourise(labels, palette), size, sharp)
    row = panel(tiles)
    picture = stack([row, legend(classes, palette, row.shape[1])])
    with atomic_path(file) as temporary:
        reduced = Image.fromarray(picture).quantize(_COLOURS)
        reduced.save(temporary, format='PNG', optimize=True)


def _predicted(cfg: Config, checkpoint: str) -> SegDataSample:
    """Sample of the middle test image, with what a network predicts of it."""
    loader = cfg.test_dataloader
    loader = loader[0] if isinstance(loader, list) else loader
    dataset = DATASETS.build(loader.dataset)
    model = MODELS.build(cfg.model)
    load_trained(model, checkpoint)
    model.eval()
    batch = pseudo_collate([dataset[len(dataset) // 2]])
    with torch.no_grad():
        return model.test_step(batch)[0]


def _fitted(
    picture: np.ndarray, size: tuple[int, int], method: Image.Resampling
) -> np.ndarray:
    tile = Image.fromarray(np.ascontiguousarray(picture))
    return np.asarray(ImageOps.fit(tile, size, method))
