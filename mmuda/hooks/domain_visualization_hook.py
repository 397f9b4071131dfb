# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Pictures of what the network sees and predicts in each domain."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.models import SegDataPreProcessor
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.structures import SegDataSample
from PIL import Image
from torch import Tensor, nn

from mmuda.engine.predicting_head import predicting_by
from mmuda.models.losses import entropy_map
from mmuda.models.players import unwrap
from mmuda.models.uda.collaborative_self_training import to_rgb
from mmuda.registry import HOOKS
from mmuda.utils.drawing import colourise, heat_map, legend, panel
from mmuda.utils.files import atomic_path, logs_may_fail
from mmuda.utils.names import SOURCE

_LABELS = {'gt_sem_seg': 'label', 'pseudo_sem_seg': 'pseudo-label'}


@HOOKS.register_module()
class DomainVisualizationHook(Hook):
    """Draw a training image of each domain with its prediction and entropy.

    Pictures go to ``vis_data/domains/iter_<n>_<domain>.png`` in the work
    directory and to the visualizer (TensorBoard). The network runs in
    evaluation mode, and training is not affected.

    Of targets that a teacher labels in the iteration, whose images are mixed
    or masked, ``iter_<n>_<target>_learned.png`` shows what was learned from
    the first image, before the step, beside the prediction after it; likewise
    of a source that is masked.

    Args:
        interval: Iterations between two pictures.
        max_height: Larger images are thinned out to at most this height.
    """

    def __init__(self, interval: int = 1000, max_height: int = 360) -> None:
        self.interval = interval
        self.max_height = max_height

    @master_only
    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Let the model keep what it makes, if it is to be drawn."""
        if self.every_n_train_iters(runner, self.interval):
            unwrap(runner.model).shown = {}

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
        palette = runner.train_dataloader.dataset.metainfo['palette']
        model = unwrap(runner.model)
        shown, model.shown = model.shown or {}, None
        tiles: dict[str, dict[str, np.ndarray]] = {}
        for domain, images in data_batch['inputs'].items():
            sample = data_batch['data_samples'][domain][0]
            with predicting_by(model, _head_of(model, domain)):
                logits = predict_logits(model, images[0], sample)
            tiles[domain] = domain_tiles(images[0], sample, logits, palette)
            self._write(runner, domain, tiles[domain])
        for domain, maps in shown.items():
            row = learned_tiles(
                tiles[SOURCE],
                tiles[domain],
                maps,
                model.data_preprocessor,
                palette,
            )
            self._write(runner, f'{domain}_learned', row)

    def _write(
        self, runner: Runner, name: str, tiles: dict[str, np.ndarray]
    ) -> None:
        """Save a row of pictures above a legend."""
        meta = runner.train_dataloader.dataset.metainfo
        height = max(len(tile) for tile in tiles.values())
        stride = math.ceil(height / self.max_height)
        row = panel({k: v[::stride, ::stride] for k, v in tiles.items()})
        names = legend(meta['classes'], meta['palette'], row.shape[1])
        picture = np.concatenate([row, names])
        step = runner.iter + 1
        path = Path(
            runner.work_dir, f'vis_data/domains/iter_{step}_{name}.png'
        )
        with logs_may_fail(), atomic_path(path) as temporary:
            Image.fromarray(picture).save(temporary)
        runner.visualizer.add_image(f'domain_{name}', picture, step)


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


def learned_tiles(
    source: Mapping[str, np.ndarray],
    target: Mapping[str, np.ndarray],
    shown: Mapping[str, Tensor],
    preprocessor: SegDataPreProcessor,
    palette: list,
) -> dict[str, np.ndarray]:
    """Pictures of what was learned from a target image, by title.

    Args:
        source: Pictures of a source image, as of :func:`domain_tiles`.
        target: Pictures of the target image; those of the source if it is
            learned once more, masked.
        shown: What a model has shown of it, see ``BaseUDA.show``.
        preprocessor: What has normalised images.
        palette: (C, 3) RGB colours.

    Returns:
        (H, W, 3) pictures: both images, the pseudo-label and how sure the
        teacher is (bright: 1), the mixed and the masked image, as far as
        there are such, and the prediction.
    """
    tiles = {'source': source['image']}
    if target is not source:
        tiles['target'] = target['image']
    height, width = target['image'].shape[:2]
    # The preprocessor may have padded.
    maps = {name: m[..., :height, :width] for name, m in shown.items()}
    if 'pseudo_label' in maps:
        label = maps['pseudo_label'].cpu().numpy()
        tiles['pseudo-label'] = colourise(label, palette)
    if 'confidence' in maps:
        tiles['confidence'] = heat_map(maps['confidence'].cpu().numpy())
    learned = ['mixed'] if 'mixed' in maps else []
    learned += [name for name in maps if name.startswith('masked')]
    for name in learned:
        colors = to_rgb(preprocessor, maps[name][None])[0]
        colors = colors.round().clamp(0, 255).permute(1, 2, 0)
        tiles[name] = colors.cpu().numpy().astype(np.uint8)
    return tiles | {'prediction': target['prediction']}


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
