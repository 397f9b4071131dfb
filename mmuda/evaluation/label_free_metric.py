# Copyright (c) mmuda authors.
"""Validation without labels."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmengine.model import BaseModel, BaseTTAModel
from torch import Tensor

from mmuda.models.segmentors.strip_predictions import KEPT_STRIPS
from mmuda.models.segmentors.strips import Strips
from mmuda.registry import METRICS
from mmuda.utils.checks import NOT_NEGATIVE, WHOLE, whole_number
from mmuda.utils.errors import ConfigError
from mmuda.utils.json_files import read_json
from mmuda.utils.tool_commands import tool_command

from .label_free_scores import label_free_scores
from .label_free_state import LabelFreeState
from .second_view import (
    has_second_view,
    predict_second_view,
    without_padding,
)


@METRICS.register_module()
class LabelFreeMetric(BaseMetric):
    """Scores that tell better from worse checkpoints without labels.

    All are better the higher they are, which ``save_best`` has to be told:
    ``default_hooks.checkpoint=dict(save_best='label_free/BNM',
    rule='greater')``. They are taken at the resolution of the network's
    logits; where another metric wants logits of the size of the image, at
    that. docs/label_free_validation.md says what they mean and which to
    trust.

    Args:
        class_ratios: Frequency (or count) of each class in the source's
            labels, or the file of them that
            ``tools/misc/class_statistics.py --ratios`` writes; without them
            ``IM_s`` and ``IM_s_relaxed`` are left out.
        second_view_every: One image in so many, chosen by its name, is
            predicted once more (mirrored, smaller, in other colours) for
            ``consistency``; 0 leaves it out.
        bins: Bins of the histogram of confidences.
        **kwargs: As of mmengine's ``BaseMetric``.

    Raises:
        ConfigError: A value lies outside its range, or there is not one ratio
            for each class.
        DataError: The file is missing or damaged.
    """

    default_prefix = 'label_free'
    needs_labels = False
    needed_outputs = (KEPT_STRIPS,)

    def __init__(
        self,
        class_ratios: Sequence[float] | str | None = None,
        second_view_every: int = 8,
        bins: int = 4096,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        WHOLE.require(second_view_every, 'evaluator.second_view_every')
        self.second_view_every = second_view_every
        self.bins = whole_number(16, 65536).require(bins, 'evaluator.bins')
        self._prior = None if class_ratios is None else _prior(class_ratios)
        self._model: BaseModel | None = None
        self._state: LabelFreeState | None = None
        # Of the last image: among several processes it may be one that
        # another has evaluated, too.
        self._last: LabelFreeState | None = None

    def use_model(self, model: BaseModel | None) -> None:
        """Take the model for second views; None after an evaluation."""
        augmented = isinstance(model, BaseTTAModel)
        self._model = None if augmented else model

    @property
    def dataset_meta(self) -> dict | None:
        """Meta information of the data set; needs ``classes``."""
        return self._dataset_meta

    # Set when the loop is built.
    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict) -> None:
        count = len(dataset_meta['classes'])
        if self._prior is not None and len(self._prior) != count:
            raise ConfigError(
                f'{_PLACE} has {len(self._prior)} values; the data set has '
                f'{count} classes'
            )
        self._dataset_meta = dataset_meta

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Add the predictions of a batch.

        Args:
            data_batch: ``inputs`` (3, H, W) of each image, for second views.
            data_samples: Predictions with ``strips``, or with ``seg_logits``
                (C, H, W).

        Raises:
            ConfigError: There are no logits of at least two classes.
        """
        inputs = data_batch.get('inputs') or [None] * len(data_samples)
        for image, sample in zip(inputs, data_samples, strict=True):
            maps = _maps_of(sample)
            state = LabelFreeState(maps.shape[1], self.bins, maps.device)
            (label,) = state.update(maps)
            self._see_again(image, sample, label, state)
            self._keep(state)
            self.results.append(int(state['images']))

    def _see_again(
        self,
        image: Tensor | None,
        sample: Mapping,
        label: Tensor,
        state: LabelFreeState,
    ) -> None:
        key = sample.get('key') or Path(sample.get('img_path', '')).name
        if not has_second_view(key, self.second_view_every):
            return
        if self._model is None or not isinstance(image, Tensor):
            return
        own = without_padding(image, dict(sample))
        size = label.shape[0], label.shape[1]
        other = predict_second_view(self._model, own, size)
        state.update_views(label, other.to(label.device))

    def _keep(self, state: LabelFreeState | None) -> None:
        """Add the last image but one to the others."""
        if self._state is None:
            self._state = self._last
        elif self._last is not None:
            self._state.add(self._last)
        self._last = state

    def evaluate(self, size: int) -> dict[str, float]:
        """Add up the images of all processes, each once.

        Args:
            size: Number of images of the data set.
        """
        # As mmengine takes twins out of the results of other metrics.
        last = (len(self.results) - 1) * get_world_size() + get_rank()
        if last >= size:
            self._last = None
        self._keep(None)
        if self._state is None:
            assert self.dataset_meta is not None, 'set when the loop is built'
            classes = len(self.dataset_meta['classes'])
            self._state = LabelFreeState(classes, self.bins)
        self._state.all_reduce()
        try:
            return super().evaluate(size)
        finally:
            self._state = None

    def compute_metrics(self, results: list[int]) -> dict[str, float]:
        """Take the scores from the sums.

        Args:
            results: A number for each image.

        Returns:
            See :func:`label_free_scores`.
        """
        assert self._state is not None, 'summed by evaluate'
        state = self._state.to('cpu')
        print_log(
            f'label-free scores of {int(state["images"])} images, '
            f'{int(state["pixels"])} pixels at the resolution of the logits, '
            f'{int(state["view_images"])} images seen twice',
            logger='current',
        )
        looks = self.second_view_every and self._model is not None
        if looks and not state['view_images']:
            print_log(
                'no image is seen twice, and there is no consistency: '
                'LabelFreeMetric(second_view_every=1) takes all',
                logger='current',
                level=logging.WARNING,
            )
        return label_free_scores(state, self._prior)


_PLACE = 'evaluator.class_ratios'


def _prior(ratios: Sequence[float] | str) -> Tensor:
    """Class ratios (C,) that sum to 1."""
    if isinstance(ratios, str):
        remedy = 'write it by ' + tool_command(
            'misc/class_statistics.py', 'CONFIG', '--ratios', ratios
        )
        ratios = read_json(ratios, remedy, list[float])
    if (
        not ratios
        or not all(map(NOT_NEGATIVE.fits, ratios))
        or not any(ratios)
    ):
        raise ConfigError(
            f'{_PLACE}: must be a number of at least 0 for each class, and '
            'not all 0'
        )
    values = torch.tensor(list(ratios), dtype=torch.float64)
    return values / values.sum()


def _maps_of(sample: Mapping) -> Tensor | Strips:
    """Logits (1, C, h, w) of an image, small ones if there are any."""
    strips = sample.get('strips')
    if strips is not None:
        maps = strips.coarse()
        return strips if maps is None else maps
    logits = sample.get('seg_logits', {}).get('data')
    if logits is None or len(logits) < 2:
        raise ConfigError(
            'LabelFreeMetric needs logits of at least two classes, which '
            'these predictions do not have; keep LeanPredictionHook in '
            'default_hooks, or remove the metric from the evaluator'
        )
    return logits[None]
