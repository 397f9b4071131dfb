# Copyright (c) mmuda authors.
"""Pictures of what the network sees and predicts in each domain."""

import math
from pathlib import Path

import numpy as np
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from PIL import Image
from torch import nn

from mmuda.engine.predicting_head import predicting_by
from mmuda.evaluation.training_pictures import (
    domain_tiles,
    learned_tiles,
    predict_logits,
)
from mmuda.models.players import unwrap
from mmuda.registry import HOOKS
from mmuda.utils.drawing import legend, panel
from mmuda.utils.files import atomic_path, logs_may_fail
from mmuda.utils.names import SOURCE


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


def _head_of(model: nn.Module, domain: str) -> str | None:
    """A head that has learned something, if the usual one has not."""
    choose = getattr(model, 'preview_head', None)
    return choose(domain) if choose else None
