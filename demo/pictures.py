# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Predictions and entropy before and after adaptation, side by side."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from PIL import Image
from rich.progress import track

from mmuda.datasets.images.image_io import read_image
from mmuda.models.losses import entropy_map
from mmuda.models.trained import load_trained
from mmuda.registry import DATASETS, MODELS
from mmuda.utils.drawing import colourise, heat_map, legend, panel
from mmuda.utils.files import atomic_path


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
    models = {
        name: _load(config, checkpoints[name])
        for name, config in configs.items()
    }
    first = next(iter(configs.values()))
    dataset = DATASETS.build(first.test_dataloader[0].dataset)
    indices = np.linspace(0, len(dataset) - 1, min(count, len(dataset)))
    files = []
    for index in track(indices.astype(int), description='pictures'):
        picture = _draw(models, dataset[index], dataset.metainfo)
        files.append(folder / f'scene_{index:03d}.png')
        with atomic_path(files[-1]) as temporary:
            Image.fromarray(picture).save(temporary)
    return files


def _load(config: Config, checkpoint: str) -> torch.nn.Module:
    model = MODELS.build(config.model)
    load_trained(model, checkpoint)
    return model.eval()


def _draw(models: Mapping, item: dict, metainfo: dict) -> np.ndarray:
    sample = item['data_samples']
    palette, classes = metainfo['palette'], metainfo['classes']
    image = read_image(sample.img_path)[..., ::-1]
    label = sample.gt_sem_seg.data[0].numpy()
    columns = [
        panel({'target image': image, 'label': colourise(label, palette)})
    ]
    for name, model in models.items():
        with torch.no_grad():
            result = model.test_step(pseudo_collate([item]))[0]
        logits = result.seg_logits.data[None]
        prediction = logits.argmax(1)[0].numpy()
        entropy = entropy_map(logits)[0].numpy()
        columns.append(
            panel(
                {
                    f'{name}: prediction': colourise(prediction, palette),
                    f'{name}: entropy (bright = uncertain)': heat_map(entropy),
                }
            )
        )
    width = max(column.shape[1] for column in columns)
    columns.append(legend(classes, palette, width))
    return np.concatenate([_widen(column, width) for column in columns])


def _widen(picture: np.ndarray, width: int) -> np.ndarray:
    missing = width - picture.shape[1]
    return np.pad(picture, ((0, 0), (0, missing), (0, 0)), constant_values=255)
