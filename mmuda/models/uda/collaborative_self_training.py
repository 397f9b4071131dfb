# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Self-training of several heads on soft labels that is common to methods."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence

import torch
from mmseg.models.utils import resize
from mmseg.utils import SampleList, add_prefix
from torch import Tensor

from mmuda.models.losses import rectification_weights
from mmuda.utils.errors import DataError

from .base import BaseUDA
from .collaboration import CollaborativeMixin
from .domains import (
    SOURCE,
    Losses,
    check_number,
    check_targets,
    distinct_targets,
)
from .target_heads import check_target_heads

# Half, less what the rounding of float16 takes from it.
_LABELLED = 0.499


class CollaborativeSelfTraining(CollaborativeMixin, BaseUDA):
    """Base of CoaST and MLCL: heads that learn from labels of other heads.

    Training begins with the weights of :class:`MultiHeadAdvEnt`. Target
    images come with soft labels (``LoadSoftPseudoLabels``), which each
    target's own head made.

    Args:
        segmentor: Config of a ``MultiHeadEncoderDecoder``.
        targets: Names of the targets.
        gamma: How fast a pseudo-label loses weight with the divergence of
            heads on it.
        distillation_weight: Factor of the divergences between heads, which
            are averaged over pixels, classes and targets.
        pseudo_label_weight: Factor of all losses on pixels with a
            pseudo-label, also of CoaST's consistency. The published code
            pairs the losses of each image with the labelled pixels of each
            image of the batch, which is a factor of about the batch's size.
        loss_stride: Losses on targets are computed at the size of the images
            divided by this.
        **kwargs: As of :class:`BaseUDA`.

    Raises:
        ConfigError: A value is out of its range, or the segmentor has not
            these targets.
    """

    def __init__(
        self,
        segmentor: dict,
        targets: Sequence[str],
        gamma: float = 1.0,
        distillation_weight: float = 1.0,
        pseudo_label_weight: float = 1.0,
        loss_stride: int = 4,
        **kwargs,
    ) -> None:
        super().__init__(segmentor, **kwargs)
        self.targets = distinct_targets(targets)
        check_target_heads(self.segmentor, self.targets)
        self.gamma = check_number('gamma', gamma)
        self.distillation_weight = check_number(
            'distillation_weight', distillation_weight
        )
        self.pseudo_label_weight = check_number(
            'pseudo_label_weight', pseudo_label_weight
        )
        self.loss_stride = int(check_number('loss_stride', loss_stride, 1))

    def training_step(
        self, inputs: dict[str, Tensor], data_samples: dict[str, SampleList]
    ) -> Iterator[tuple[str, Losses]]:
        """The source, then target by target."""
        check_targets(inputs, self.targets)
        for losses in self.losses_on_source(inputs, data_samples):
            yield 'segmentor', add_prefix(losses, SOURCE)
            del losses
        if self.is_warming_up:
            return
        for target in self.targets:
            losses = self.loss_on_target(inputs, data_samples, target)
            yield 'segmentor', add_prefix(losses, target)
            del losses

    @abstractmethod
    def losses_on_source(
        self, inputs: dict[str, Tensor], data_samples: dict[str, SampleList]
    ) -> Iterator[Losses]:
        """Supervised losses, in one or more backward passes."""

    @abstractmethod
    def loss_on_target(
        self,
        inputs: dict[str, Tensor],
        data_samples: dict[str, SampleList],
        target: str,
    ) -> Losses:
        """Losses on the images of one target."""

    def others(self, target: str) -> list[str]:
        """The other targets, in their order."""
        return [other for other in self.targets if other != target]

    def at_stride(self, values: Tensor, images: Tensor) -> Tensor:
        """Resize logits or labels (N, C, h, w) to the size of the losses."""
        return resize(
            values,
            size=self._loss_size(images),
            mode='bilinear',
            align_corners=self.align_corners,
            warning=False,
        )

    def soft_labels(self, samples: SampleList, images: Tensor) -> Tensor:
        """Soft labels of a batch at the size of the losses.

        They are read where the logits of :meth:`at_stride` lie: bilinearly,
        as in the published code. A place has a label if half of what it sees
        has one.

        Args:
            samples: Target samples with ``pseudo_soft_seg``.
            images: (N, 3, H, W) images of the samples.

        Returns:
            (N, C, h, w) float32 probabilities that sum to 1, or zeros where
            there is no label.

        Raises:
            DataError: A sample has no soft label, or one of another size.
        """
        labels = []
        for sample in samples:
            if 'pseudo_soft_seg' not in sample:
                raise DataError(
                    f'{sample.get("img_path", "a target sample")} has no soft '
                    "label; add dict(type='LoadSoftPseudoLabels') to the "
                    "target's pipeline"
                )
            # Autocast cannot stack half precision on every device.
            labels.append(sample.pseudo_soft_seg.data.float())
            if labels[-1].shape[1:] != images.shape[2:]:
                raise DataError(
                    f'{sample.get("img_path", "a target sample")}: the soft '
                    f'label is {tuple(labels[-1].shape[1:])}, the batch '
                    f'{tuple(images.shape[2:])} pixels; crop or pad all '
                    'images of a target to one size in its pipeline'
                )
        read = self.at_stride(torch.stack(labels).to(images.device), images)
        # Pixels without a label add nothing to it.
        share = read.sum(dim=1, keepdim=True)
        labelled = share > _LABELLED
        return (read / share.where(labelled, 1)).where(labelled, 0)

    def rectified(
        self, divergences: Sequence[Tensor], labels: Tensor
    ) -> Tensor:
        """Weights of pseudo-labels, (N, h, w), less where heads disagree.

        Args:
            divergences: (N, h, w), one for each other head.
            labels: (N, h, w) pseudo-labels.

        Returns:
            Weights from 0 to 1; 1 if there is no other head, or
            rectification has not begun.
        """
        if not divergences or not self.phase.rectifies:
            return torch.ones_like(labels, dtype=torch.float32)
        return rectification_weights(divergences, self.gamma)

    @property
    def distillation_factor(self) -> float:
        """Turns sums over classes into means over classes and targets."""
        return self.distillation_weight / (
            self.out_channels * len(self.targets)
        )

    def _loss_size(self, images: Tensor) -> tuple[int, int]:
        return tuple(
            max(1, side // self.loss_stride) for side in images.shape[2:]
        )
