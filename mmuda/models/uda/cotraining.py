# Copyright (c) mmuda authors.
"""One training of the co-training procedure."""

from collections.abc import Mapping
from typing import Literal, get_args

import torch
from torch import Tensor

from mmuda.models.batch import Batch, DomainBatch
from mmuda.models.method_checks import check_pseudo_label_weight
from mmuda.models.mixing import (
    Thresholds,
    check_one_size,
    join_batches,
    paste_on_targets,
    pasted_classes,
    read_thresholds,
    weighted,
)
from mmuda.models.players import SEGMENTOR, Losses, Steps
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError
from mmuda.utils.names import SOURCE

from .base import BaseUDA

PastedClasses = Literal['demand', 'random']


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
    # Images of both share a batch.
    sees_domains_apart = False
    seams = ('extra',)

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

    def training_step(self, batch: Batch) -> Steps:
        """One loss on both domains; see :class:`BaseUDA`."""
        self.check_batch(batch)
        if self.is_warming_up:
            yield from self.source_steps(batch, {})
            return
        (target,) = batch.targets.values()
        yield SEGMENTOR, self.joint_losses(batch.source, target)

    def check_batch(self, batch: Batch) -> None:
        """Refuse a batch without a target, or of several."""
        targets = batch.require_targets(self.targets)
        if len(targets) > 1:
            raise ConfigError(
                'CoTraining adapts to one target, but train_dataloader.dataset'
                f' has {targets}: leave one of them'
            )

    def joint_losses(self, source: DomainBatch, target: DomainBatch) -> Losses:
        """Cross entropy on images of both domains, named ``<head>.<loss>``.

        Args:
            source: Images with labels.
            target: Images with pseudo-labels.
        """
        joint = self.training_batch(source, target)
        # With weights pixel samplers of the heads (OHEM) would not be asked.
        alike = self.pseudo_label_weight == 1 and all(
            part.weights is None for part in (source, target)
        )
        weights = None if alike else joint.weights
        prediction = self.segmentor(joint.images, heads=self.heads_on(SOURCE))
        return self.network.losses(
            prediction, joint.require_labels(), weights, joint.pseudo
        )

    def training_batch(
        self, source: DomainBatch, target: DomainBatch
    ) -> DomainBatch:
        """Join, or mix, the images of both domains.

        Args:
            source: N_s images with labels.
            target: N_t images with pseudo-labels.

        Returns:
            N_s images if they are mixed, else N_s + N_t.

        Raises:
            ConfigError: Sizes differ, or too few source images are given.
        """
        parts = (
            weighted(source, 1.0),
            weighted(target, self.pseudo_label_weight),
        )
        check_one_size(
            *(part.images.shape[-2:] for part in parts),
            *(part.require_labels().shape[-2:] for part in parts),
        )
        if self.pasted_classes is None:
            return join_batches(*parts)
        return paste_on_targets(*parts, self._choose_classes)

    def _choose_classes(self, label: Tensor) -> Tensor:
        if self.pasted_classes == 'random':
            return pasted_classes(label)
        if self._difficulty is None:
            self._read_difficulty()
        return pasted_classes(label, difficulty=self._difficulty)

    def _read_difficulty(self) -> None:
        values = read_thresholds(self.thresholds, self.num_classes)
        self._difficulty = torch.tensor(values, dtype=torch.float64)


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
