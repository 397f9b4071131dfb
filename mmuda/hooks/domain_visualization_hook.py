# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Pictures of what the network sees and predicts in each domain."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.structures import SegDataSample
from PIL import Image
from torch import Tensor, nn

from mmuda.engine.predicting_head import predicting_by
from mmuda.models.losses import entropy_map
from mmuda.models.players import unwrap
from mmuda.registry import HOOKS
from mmuda.utils.drawing import colourise, heat_map, legend, panel
from mmuda.utils.files import atomic_path, logs_may_fail

_LABELS = {'gt_sem_seg': 'label', 'pseudo_sem_seg': 'pseudo-label'}


@HOOKS.register_module()
class DomainVisualizationHook(Hook):
    """Draw a training image of each domain with its prediction and entropy.

    Pictures go to ``vis_data/domains/iter_<n>_<domain>.png`` in the work
    directory and to the visualizer (TensorBoard). The network runs in
    evaluation mode, and training is not affected.

    Args:
        interval: Iterations between two pictures.
        max_height: Larger images are thinned out to at most this height.
    """

    def __init__(self, interval: int = 1000, max_height: int = 360) -> None:
        self.interval = interval
        self.max_height = max_height

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Draw the first image of each domain of the batch."""
        if self.every_n_train_iters(runner, self.interval):
            self._draw(runner, data_batch)

    @master_only
    def _draw(self, runner: Runner, data_batch: dict) -> None:
        metainfo = runner.train_dataloader.dataset.metainfo
        step = runner.iter + 1
        for domain, images in data_batch['inputs'].items():
            sample = data_batch['data_samples'][domain][0]
            model = unwrap(runner.model)
            with predicting_by(model, _head_of(model, domain)):
                logits = predict_logits(model, images[0], sample)
            tiles = domain_tiles(
                images[0], sample, logits, metainfo['palette']
            )
            stride = math.ceil(images[0].shape[1] / self.max_height)
            row = panel({k: v[::stride, ::stride] for k, v in tiles.items()})
            names = legend(
                metainfo['classes'], metainfo['palette'], row.shape[1]
            )
            picture = np.concatenate([row, names])
            name = f'vis_data/domains/iter_{step}_{domain}.png'
            path = Path(runner.work_dir, name)
            with logs_may_fail(), atomic_path(path) as temporary:
                Image.fromarray(picture).save(temporary)
            runner.visualizer.add_image(f'domain_{domain}', picture, step)


@torch.no_grad()
def predict_logits(
    model: BaseSegmentor, image: Tensor, sample: SegDataSample
) -> Tensor:
    """Logits of the head that predicts, for an image as the loader gives it.

    Args:
        model: A UDA model without a distributed wrapper.
        image: (3, H, W) uint8.
        sample: Its data sample.

    Returns:
        (1, C, H, W) logits at the size of the image.
    """
    data = model.data_preprocessor(dict(inputs=[image], data_samples=[sample]))
    segmentor = unwrap(model.segmentor)
    with _evaluating(segmentor):
        logits = segmentor(data['inputs'])
    logits = model.upsample(logits, data['inputs'])
    # The preprocessor may have padded on the right and at the bottom.
    return logits[..., : image.shape[1], : image.shape[2]]


def domain_tiles(
    image: Tensor,
    sample: SegDataSample,
    logits: Tensor,
    palette: list,
) -> dict[str, np.ndarray]:
    """Pictures of one image, by title.

    Args:
        image: (3, H, W) uint8, BGR.
        sample: Holds a label, a pseudo-label or none.
        logits: (1, C, H, W).
        palette: (C, 3) RGB colours.

    Returns:
        (H, W, 3) pictures: image, labels if any, prediction and entropy.
    """
    tiles = {'image': image.flip(0).permute(1, 2, 0).cpu().numpy()}
    for field, title in _LABELS.items():
        if field in sample:
            label = sample.get(field).data[0].cpu().numpy()
            tiles[title] = colourise(label, palette)
    prediction = logits[0].argmax(dim=0).cpu().numpy()
    tiles['prediction'] = colourise(prediction, palette)
    tiles['entropy'] = heat_map(entropy_map(logits)[0].cpu().numpy())
    return tiles


def _head_of(model: nn.Module, domain: str) -> str | None:
    """A head that has learned something, if the usual one has not."""
    choose = getattr(model, 'preview_head', None)
    return choose(domain) if choose else None


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode; afterwards each part has the mode that it had."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode
