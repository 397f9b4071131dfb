# Copyright (c) mmuda authors.
"""Several trained models that predict together."""

import copy
import functools
from collections.abc import Iterator, Sequence

import torch
from mmengine.structures import PixelData
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.utils import SampleList
from torch import Tensor, nn

from mmuda.models.trained import load_trained
from mmuda.registry import MODELS
from mmuda.utils.class_names import require_trained_classes
from mmuda.utils.errors import ConfigError
from mmuda.utils.evaluation_config import ensemble_weights

from .strip_predictions import LOGITS, predict_in_strips
from .strips import Strips, weighted_sum


@MODELS.register_module()
class SegmentorEnsemble(BaseSegmentor):
    """Weighted sum of the upsampled logits of independently trained models.

    ADVENT's best model, "AdvEnt+MinEnt", is such an ensemble (weights 0.5).

    Args:
        models: A config for each model.
        checkpoints: File to load into each model.
        weights: Weight of each model; 1 / number of models by default.
        data_preprocessor: Config of the preprocessor that all models share.
        train_cfg: Not used; mmseg's loading functions pass it.
        test_cfg: Not used.
        pretrained: Not used.
        init_cfg: Not used.

    Raises:
        ConfigError: The numbers of models, checkpoints and weights differ,
            or as of ``ensemble_weights``.
    """

    #: What predictions hold beside the classes; see ``choose_outputs``.
    outputs: frozenset[str] = frozenset([LOGITS])
    #: Logits of a strip at most; None for what suits the device.
    strip_values: int | None = None

    def __init__(
        self,
        models: Sequence[dict],
        checkpoints: Sequence[str],
        weights: Sequence[float] | None = None,
        data_preprocessor: dict | None = None,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        pretrained: str | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor)
        count = len(models) if weights is None else len(weights)
        if not len(models) == len(checkpoints) == count:
            raise ConfigError(
                f'ensemble: {len(models)} models, {len(checkpoints)} '
                f'checkpoints and {count} weights; give one weight '
                'for each checkpoint'
            )
        self.weights = ensemble_weights(count, weights)
        self.models = nn.ModuleList(MODELS.build(model) for model in models)
        self.trained_classes: tuple[str, ...] | None = None
        for model, checkpoint in zip(self.models, checkpoints, strict=True):
            classes = load_trained(model, checkpoint)
            what = f'network of {checkpoints[0]}, the first of the ensemble,'
            if classes and self.trained_classes:
                require_trained_classes(
                    classes, self.trained_classes, str(checkpoint), what
                )
            self.trained_classes = self.trained_classes or classes
        self.requires_grad_(False)

    @property
    def members(self) -> list[BaseSegmentor]:
        """The models, in the order of their weights."""
        return list(self.models)

    @property
    def align_corners(self) -> bool:
        """Of the first model."""
        return self.members[0].align_corners

    @property
    def out_channels(self) -> int:
        """Number of classes."""
        return self.members[0].out_channels

    def predict(
        self, inputs: Tensor, data_samples: SampleList | None = None
    ) -> SampleList:
        """Predict with the summed logits.

        Args:
            inputs: (N, 3, H, W) normalised images.
            data_samples: Meta information (and labels) of each image.

        Returns:
            Samples with ``pred_sem_seg`` and, where ``outputs`` asks for
            them, ``seg_logits`` (C, H, W) at the original size of each image.
        """
        if data_samples and self.predicts_in_strips():
            return predict_in_strips(self, inputs, data_samples)
        if data_samples is None:
            data_samples = self.members[0].predict(inputs)
        total: list[Tensor] = []
        for weight, model in zip(self.weights, self.members, strict=True):
            samples = model.predict(inputs, copy.deepcopy(data_samples))
            logits = [weight * s.seg_logits.data for s in samples]
            total = (
                [a + b for a, b in zip(total, logits, strict=True)]
                if total
                else logits
            )
        for sample, summed in zip(data_samples, total, strict=True):
            label = summed.argmax(dim=0, keepdim=True)
            sample.set_data(
                dict(
                    seg_logits=PixelData(data=summed),
                    pred_sem_seg=PixelData(data=label),
                )
            )
        return data_samples

    def predicts_in_strips(self) -> bool:
        """Whether all models do."""
        return all(
            hasattr(model, 'predicts_in_strips') and model.predicts_in_strips()
            for model in self.members
        )

    def output_strips(
        self, inputs: Tensor, metas: list[dict]
    ) -> Iterator[Strips]:
        """Yield weighted sums of the models' strips, for each image.

        Args:
            inputs: (N, 3, H, W) normalised images.
            metas: Meta information of each image.
        """
        parts = [
            model.output_strips(inputs, copy.deepcopy(metas))
            for model in self.members
        ]
        for strips in zip(*parts, strict=True):
            yield weighted_sum(strips, self.weights)

    def extract_feat(self, inputs: Tensor) -> list:
        """Features of each model."""
        return [model.extract_feat(inputs) for model in self.members]

    def encode_decode(
        self, inputs: Tensor, batch_data_samples: SampleList
    ) -> Tensor:
        """Weighted sum of the models' logits, (N, C, H, W)."""
        parts = [
            weight * model.encode_decode(inputs, batch_data_samples)
            for weight, model in zip(self.weights, self.members, strict=True)
        ]
        return torch.stack(parts).sum(dim=0)

    def predict_logits(self, inputs: Tensor) -> Tensor:
        """Weighted sum of the models' logits, (N, C, h, w), of (N, 3, H, W).

        Raises:
            ConfigError: They differ in resolution.
        """
        parts = [model(inputs) for model in self.members]
        if len({part.shape for part in parts}) > 1:
            raise ConfigError(
                'the networks of an ensemble differ in resolution'
            )
        weighted = zip(self.weights, parts, strict=True)
        return functools.reduce(
            torch.add, [weight * part for weight, part in weighted]
        )

    def _forward(
        self, inputs: Tensor, data_samples: SampleList | None = None
    ) -> Tensor:
        return self.predict_logits(inputs)

    def loss(self, inputs: Tensor, data_samples: SampleList) -> dict:
        """Refuse: an ensemble is not trained."""
        raise ConfigError('an ensemble can be tested only, not trained')


def members(model: BaseSegmentor) -> tuple[list[BaseSegmentor], list[float]]:
    """Networks that predict, and their weights.

    Args:
        model: A UDA model, an ensemble or any mmseg segmentor.

    Returns:
        Segmentors in evaluation use, e.g. the teacher of a UDA model.
    """
    if isinstance(model, SegmentorEnsemble):
        networks = [member for m in model.models for member in members(m)[0]]
        return networks, model.weights
    return [getattr(model, 'predictor', model)], [1.0]
