# Copyright (c) mmuda authors.
"""What finished rows predict on the same images, each with its mIoU."""

from collections.abc import Mapping

import numpy as np
from PIL import Image

from experiments.run_records import Run
from mmuda.datasets.images.image_io import read_image
from mmuda.evaluation.comparison_pictures import (
    load_models,
    spread_indices,
    title_of,
)
from mmuda.utils.drawing import colourise, legend, panel, stack

Size = tuple[int, int]
_TILES_A_LINE = 5


def compare_rows(
    runs: Mapping[str, Run], count: int, size: Size | None
) -> np.ndarray:
    """Draw image, label and the prediction of each row, five in a line.

    Args:
        runs: Finished, of one seed, by the row's title.
        count: Number of test images, spread over the set.
        size: Width and height at which images are shown, that of data which
            were squeezed to squares; None for that of the files.

    Returns:
        (H, W, 3) picture.
    """
    configs = {
        name: run.recipe.configs[run.recipe.tested]
        for name, run in runs.items()
    }
    checkpoints = {name: str(run.checkpoint) for name, run in runs.items()}
    models = load_models(configs, checkpoints)
    dataset = next(iter(models.values())).datasets[0]
    classes = dataset.metainfo['classes']
    palette = dataset.metainfo['palette']
    lines = []
    for index in spread_indices(dataset, count):
        sample = dataset[index]['data_samples']
        label = sample.gt_sem_seg.data[0].numpy()
        tiles = {
            'target image': read_image(sample.img_path)[..., ::-1],
            'label': colourise(label, palette),
        }
        for name, model in models.items():
            predicted = model.logits(index).argmax(1)[0].numpy()
            title = title_of(name, predicted, label, len(classes))
            tiles[title] = colourise(predicted, palette)
        names = [*tiles]
        for start in range(0, len(names), _TILES_A_LINE):
            part = names[start : start + _TILES_A_LINE]
            lines.append(panel({n: _shown(tiles[n], size) for n in part}))
    width = max(line.shape[1] for line in lines)
    return stack([*lines, legend(classes, palette, width)])


def _shown(picture: np.ndarray, size: Size | None) -> np.ndarray:
    """Resize a tile; colours of classes are not mixed."""
    tile = Image.fromarray(np.ascontiguousarray(picture))
    nearest = Image.Resampling.NEAREST
    return np.asarray(tile if size is None else tile.resize(size, nearest))
