# Copyright (c) mmuda authors.
"""Predictions and entropy before and after adaptation, side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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

_WRONG = (230, 30, 30)


@dataclass(frozen=True)
class ComparedModel:
    """A trained model, and how it sees the images that it is tested on.

    Attributes:
        model: Ready to predict.
        datasets: Test set of each target, in the sizes of this model.
    """

    model: BaseModel
    datasets: Sequence[SegmentationDataset]

    def logits(self, index: int, target: int = 0) -> torch.Tensor:
        """Logits of a test image at the size of its label.

        Args:
            index: Of the image.
            target: Which of the targets.

        Returns:
            (1, C, H, W) class scores.
        """
        batch = pseudo_collate([self.datasets[target][index]])
        with torch.no_grad():
            return self.model.test_step(batch)[0].seg_logits.data[None]


def load_models(
    configs: Mapping[str, Config], checkpoints: Mapping[str, str]
) -> dict[str, ComparedModel]:
    """Models by name.

    Args:
        configs: Config of each model, by its name.
        checkpoints: Trained weights of each model.
    """
    models = {}
    for name, config in configs.items():
        model = MODELS.build(config.model)
        load_trained(model, checkpoints[name])
        model.eval()
        loaders = config.test_dataloader
        loaders = loaders if isinstance(loaders, list) else [loaders]
        datasets = [DATASETS.build(loader.dataset) for loader in loaders]
        models[name] = ComparedModel(model, datasets)
    return models


def spread_indices(dataset: SegmentationDataset, count: int) -> list[int]:
    """Numbers of images, spread over a data set.

    Args:
        dataset: Where they are.
        count: How many, at most all.
    """
    places = np.linspace(0, len(dataset) - 1, min(count, len(dataset)))
    return [*map(int, places)]


def draw_comparison(
    configs: Mapping[str, Config],
    checkpoints: Mapping[str, str],
    folder: Path,
    targets: Sequence[str],
    count: int = 2,
) -> list[Path]:
    """Draw what each model predicts, where it is wrong and how uncertain.

    Args:
        configs: Config of each model, by its name.
        checkpoints: Trained weights of each model.
        folder: Where to write ``<target>_<number>.png``.
        targets: Names of the targets that all of them are tested on.
        count: Number of test images of each, spread over the set.

    Returns:
        The files.
    """
    models = load_models(configs, checkpoints)
    datasets = next(iter(models.values())).datasets
    shown = [
        (target, index)
        for target in range(len(targets))
        for index in spread_indices(datasets[target], count)
    ]
    files = []
    for target, index in track(shown, description='pictures'):
        picture = _draw(models, index, target, targets[target])
        files.append(folder / f'{targets[target]}_{index:03d}.png')
        with atomic_path(files[-1]) as temporary:
            Image.fromarray(picture).save(temporary)
    return files


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


def _draw(
    models: Mapping[str, ComparedModel], index: int, target: int, domain: str
) -> np.ndarray:
    """Image and label, and below them a line of each model."""
    dataset = next(iter(models.values())).datasets[target]
    palette = dataset.metainfo['palette']
    classes = dataset.metainfo['classes']
    sample = dataset[index]['data_samples']
    image = read_image(sample.img_path)[..., ::-1]
    label = sample.gt_sem_seg.data[0].numpy()
    known = label < len(classes)
    lines = [panel({domain: image, 'label': colourise(label, palette)})]
    for name, model in models.items():
        logits = model.logits(index, target)
        prediction = logits.argmax(1)[0].numpy()
        wrong = known & (prediction != label)
        share = 100 * wrong.sum() / max(1, known.sum())
        tiles = {
            title_of(name, prediction, label, len(classes)): colourise(
                prediction, palette
            ),
            f'{share:.1f} % of pixels wrong (red)': _marked(image, wrong),
            'entropy (bright = uncertain)': heat_map(
                entropy_map(logits)[0].numpy()
            ),
        }
        lines.append(panel(tiles))
    width = max(line.shape[1] for line in lines)
    return stack([*lines, legend(classes, palette, width)])


def _marked(image: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Show an image in grey and places (H, W) of it in red."""
    grey = np.repeat(image.mean(2, keepdims=True).astype(np.uint8), 3, 2)
    grey[places] = _WRONG
    return grey
