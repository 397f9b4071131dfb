# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Predictions and entropy before and after adaptation, side by side."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.model import BaseModel
from PIL import Image
from rich.progress import track

from mmuda.datasets.images.image_io import read_image
from mmuda.datasets.segmentation_dataset import SegmentationDataset
from mmuda.models.losses import entropy_map
from mmuda.models.trained import load_trained
from mmuda.registry import DATASETS, MODELS
from mmuda.utils.drawing import colourise, heat_map, legend, panel, stack
from mmuda.utils.files import atomic_path

from .pixel_counts import count_pairs


def draw_comparison(
    configs: Mapping[str, Config],
    checkpoints: Mapping[str, str],
    folder: Path,
    count: int = 4,
) -> list[Path]:
    """Draw image, label and each model's prediction and entropy map.

    Args:
        configs: Config of each model, by its name.
        checkpoints: Trained weights of each model.
        folder: Where to write ``<key>.png``.
        count: Number of validation images, spread over the set.

    Returns:
        The files.
    """
    first = next(iter(configs.values()))
    dataset, indices = spread_images(first, count)
    models = load_models(configs, checkpoints)
    files = []
    for index in track(indices, description='pictures'):
        picture = _draw(models, dataset[index], dataset.metainfo)
        files.append(folder / f'scene_{index:03d}.png')
        with atomic_path(files[-1]) as temporary:
            Image.fromarray(picture).save(temporary)
    return files


def spread_images(
    config: Config, count: int
) -> tuple[SegmentationDataset, list[int]]:
    """Test images of a config, of the first target if there are several.

    Args:
        config: Of a model.
        count: Number of images, spread over the set.

    Returns:
        The data set, and numbers of images in it.
    """
    loaders = config.test_dataloader
    loader = loaders[0] if isinstance(loaders, list) else loaders
    dataset = DATASETS.build(loader.dataset)
    places = np.linspace(0, len(dataset) - 1, min(count, len(dataset)))
    return dataset, [*map(int, places)]


def load_models(
    configs: Mapping[str, Config], checkpoints: Mapping[str, str]
) -> dict[str, BaseModel]:
    """Models by name, ready to predict.

    Args:
        configs: Config of each model, by its name.
        checkpoints: Trained weights of each model.
    """
    models = {}
    for name, config in configs.items():
        models[name] = MODELS.build(config.model)
        load_trained(models[name], checkpoints[name])
        models[name].eval()
    return models


def logits_of(model: BaseModel, item: dict) -> torch.Tensor:
    """Logits of an image at the size of its label.

    Args:
        model: As of :func:`load_models`.
        item: Of a test set.

    Returns:
        (1, C, H, W) class scores.
    """
    with torch.no_grad():
        return model.test_step(pseudo_collate([item]))[0].seg_logits.data[None]


def title_of(
    name: str, prediction: np.ndarray, label: np.ndarray, classes: int
) -> str:
    """Title of a prediction, with its mIoU over the classes of the image.

    Args:
        name: Of the model.
        prediction: (H, W) classes.
        label: (H, W) true classes, 255 where unknown.
        classes: Number of classes.
    """
    return f'{name}: mIoU {image_miou(prediction, label, classes):.1f}'


def image_miou(
    prediction: np.ndarray, label: np.ndarray, classes: int
) -> float:
    """Mean IoU of the classes that an image shows, in percent.

    Args:
        prediction: (H, W) classes.
        label: (H, W) true classes, 255 where unknown.
        classes: Number of classes.

    Returns:
        NaN if the label is unknown everywhere.
    """
    counts = count_pairs(
        torch.from_numpy(label.astype(np.int64)),
        torch.from_numpy(prediction.astype(np.int64)),
        classes,
        255,
    )[:-1].double()
    same, true = counts.diagonal(), counts.sum(1)
    union = true + counts[:, :-1].sum(0) - same
    shown = true > 0
    return float(100 * (same[shown] / union[shown]).mean())


def _draw(models: Mapping, item: dict, metainfo: dict) -> np.ndarray:
    sample = item['data_samples']
    palette, classes = metainfo['palette'], metainfo['classes']
    image = read_image(sample.img_path)[..., ::-1]
    label = sample.gt_sem_seg.data[0].numpy()
    columns = [
        panel({'target image': image, 'label': colourise(label, palette)})
    ]
    for name, model in models.items():
        logits = logits_of(model, item)
        prediction = logits.argmax(1)[0].numpy()
        entropy = entropy_map(logits)[0].numpy()
        columns.append(
            panel(
                {
                    title_of(name, prediction, label, len(classes)): colourise(
                        prediction, palette
                    ),
                    f'{name}: entropy (bright = uncertain)': heat_map(entropy),
                }
            )
        )
    width = max(column.shape[1] for column in columns)
    columns.append(legend(classes, palette, width))
    return stack(columns)
