# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""One training of the co-training procedure."""

from collections.abc import Iterator, Mapping
from typing import Literal, get_args

import torch
from mmengine.structures import PixelData
from mmseg.models.utils import resize
from mmseg.structures import SegDataSample
from mmseg.utils import SampleList
from torch import Tensor, nn

from mmuda.models.mixing import (
    LabelledBatch,
    Thresholds,
    check_one_size,
    join_batches,
    paste_on_targets,
    pasted_classes,
    read_thresholds,
)
from mmuda.models.segmentors import losses_of
from mmuda.models.wrappers import unwrap
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError, DataError

from .base import BaseUDA
from .domains import SOURCE, Logits, Losses, target_domains
from .pseudo_label import check_pseudo_label_weight

PastedClasses = Literal['demand', 'random']

_LOADERS = dict(gt_sem_seg='LoadLabels', pseudo_sem_seg='LoadPseudoLabels')


@MODELS.register_module()
class CoTraining(BaseUDA):
    """Cross entropy on one batch of source and pseudo-labelled target images.

    Gómez et al., Co-Training for Unsupervised Domain Adaptation of Semantic
    Segmentation Models, Sensors 2023: what each training of the procedure
    does but the baseline. Images of both domains go through the network at
    once, as one batch of batch norm, and have one loss, so that a
    ``HardPixelCrossEntropyLoss`` chooses among the pixels of both.

    With ClassMix the last N_t of the N_s source images are pasted on the N_t
    target images and the others stay as they are: ``samples=dict(source=4,
    target=3)`` of the ``DomainDataset`` gives batches of one source image and
    three mixed ones. While warming up, all source images are used alone.

    Args:
        segmentor: Config of a ``UDAEncoderDecoder``.
        class_mix: ``dict(classes='demand')`` pastes the half of an image's
            classes with the lowest thresholds, ``dict(classes='random')`` a
            random half, None nothing; see
            :func:`mmuda.models.mixing.pasted_classes`.
        thresholds: Thresholds of the pseudo-labels, for ``demand``; see
            :func:`mmuda.models.mixing.read_thresholds`. A file is read when
            training begins, not for testing.
        pseudo_label_weight: Factor of the losses of pixels with
            pseudo-labels, before hard pixels are chosen. Pasted pixels have
            labels of the source. With another factor than 1 pixel samplers of
            the heads (OHEM) are not asked.
        **kwargs: As of :class:`BaseUDA`.

    Raises:
        ConfigError: ``class_mix`` is unknown, or the weight not positive.
    """

    allows_padding = True

    def __init__(
        self,
        segmentor: dict,
        class_mix: dict | None = None,
        thresholds: Thresholds | None = None,
        pseudo_label_weight: float = 1.0,
        **kwargs,
    ) -> None:
        super().__init__(segmentor, **kwargs)
        self.pasted_classes = _check_class_mix(class_mix)
        self.pseudo_label_weight = check_pseudo_label_weight(
            pseudo_label_weight
        )
        self.thresholds = thresholds
        self._difficulty: Tensor | None = None

    @property
    def numbers_of_files(self) -> dict[str, list[float]]:
        """What ``thresholds`` holds, which a resumed run must hold, too."""
        if self._difficulty is None:
            return {}
        return dict(thresholds=self._difficulty.tolist())

    def init_weights(self) -> None:
        """Initialise all parts; thresholds are read before training."""
        super().init_weights()
        if self.pasted_classes == 'demand':
            self._read_difficulty()

    def training_step(
        self, inputs: dict[str, Tensor], data_samples: dict[str, SampleList]
    ) -> Iterator[tuple[str, Losses]]:
        """One loss on both domains; see :class:`BaseUDA`."""
        target = _only_target(inputs)
        if self.is_warming_up:
            losses, _ = self.loss_on_source(inputs, data_samples)
            yield 'segmentor', losses
            return
        batch = self.training_batch(
            inputs[SOURCE],
            _labels(data_samples[SOURCE], 'gt_sem_seg'),
            inputs[target],
            _labels(data_samples[target], 'pseudo_sem_seg'),
        )
        logits = self.segmentor(batch.images)
        segmentor = unwrap(self.segmentor)
        if self.pseudo_label_weight == 1:
            samples = [_as_sample(label) for label in batch.labels]
            yield 'segmentor', segmentor.loss_from_logits(logits, samples)
        else:
            yield 'segmentor', _weighted_losses(segmentor, logits, batch)

    def training_batch(
        self,
        source_images: Tensor,
        source_labels: list[Tensor],
        target_images: Tensor,
        target_labels: list[Tensor],
    ) -> LabelledBatch:
        """Join, or mix, the images of both domains.

        Args:
            source_images: (N_s, 3, H, W).
            source_labels: N_s labels (H, W).
            target_images: (N_t, 3, H, W).
            target_labels: N_t pseudo-labels (H, W).

        Returns:
            N_s images if they are mixed, else N_s + N_t.

        Raises:
            ConfigError: Sizes differ, or too few source images are given.
        """
        labels = (*source_labels, *target_labels)
        check_one_size(
            *(t.shape[-2:] for t in (source_images, target_images, *labels))
        )
        source, target = (
            LabelledBatch(
                images,
                stacked := torch.stack(labels),
                torch.full_like(stacked, weight, dtype=torch.float32),
            )
            for images, labels, weight in (
                (source_images, source_labels, 1.0),
                (target_images, target_labels, self.pseudo_label_weight),
            )
        )
        if self.pasted_classes is None:
            return join_batches(source, target)
        return paste_on_targets(source, target, self._choose_classes)

    def _choose_classes(self, label: Tensor) -> Tensor:
        if self.pasted_classes == 'random':
            return pasted_classes(label)
        if self._difficulty is None:
            self._read_difficulty()
        return pasted_classes(label, difficulty=self._difficulty)

    def _read_difficulty(self) -> None:
        values = read_thresholds(self.thresholds, self.num_classes)
        self._difficulty = torch.tensor(values, dtype=torch.float64)


def _weighted_losses(
    segmentor: nn.Module, logits: Logits, batch: LabelledBatch
) -> Losses:
    """Losses of all heads, each pixel with its weight."""
    losses: Losses = {}
    for name, head in segmentor.heads().items():
        values = resize(
            logits[name],
            size=batch.labels.shape[1:],
            mode='bilinear',
            align_corners=head.align_corners,
        )
        for loss in losses_of(head):
            key = f'{name}.{loss.loss_name}'
            losses[key] = losses.get(key, 0) + loss(
                values,
                batch.labels,
                weight=batch.weights,
                ignore_index=head.ignore_index,
            )
    return losses


def _check_class_mix(class_mix: dict | None) -> PastedClasses | None:
    if class_mix is None:
        return None
    kinds = get_args(PastedClasses)
    valid = isinstance(class_mix, Mapping) and set(class_mix) == {'classes'}
    if not valid or class_mix['classes'] not in kinds:
        raise ConfigError(
            f'model.class_mix={class_mix!r} must be None or '
            f'dict(classes=...) with one of {list(kinds)}'
        )
    return class_mix['classes']


def _only_target(inputs: Mapping[str, Tensor]) -> str:
    targets = target_domains(inputs)
    if len(targets) > 1:
        raise ConfigError(
            'CoTraining adapts to one target, but train_dataloader.dataset '
            f'has {targets}: leave one of them'
        )
    return targets[0]


def _labels(samples: SampleList, name: str) -> list[Tensor]:
    for sample in samples:
        if name not in sample:
            raise DataError(
                f'{sample.get("img_path", "a sample")} has no {name}; add '
                f"dict(type='{_LOADERS[name]}') to the pipeline of its domain"
            )
    return [sample.get(name).data[0].long() for sample in samples]


def _as_sample(label: Tensor) -> SegDataSample:
    sample = SegDataSample()
    sample.gt_sem_seg = PixelData(data=label[None])
    return sample
