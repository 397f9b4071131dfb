# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""MIC's consistency of masked images as a term."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

import torch
from mmseg.utils import add_prefix
from torch import Tensor
from torch.nn.functional import interpolate

from mmuda.models.augmentation import (
    AugmentationDraws,
    StrongAugmentation,
    augmentation_of,
    normalisation_of,
)
from mmuda.models.batch import Batch, DomainBatch, PseudoLabelled
from mmuda.models.method_checks import check_choice
from mmuda.models.mixing import check_one_size
from mmuda.models.online_labels import label_online
from mmuda.models.players import SEGMENTOR, ddp_dummy_loss
from mmuda.models.segmentors import Prediction, View
from mmuda.models.term import Losses, Term
from mmuda.registry import MODELS
from mmuda.utils.checks import BELOW_ONE, COUNT, NOT_NEGATIVE, SHARE, optional
from mmuda.utils.errors import ConfigError

Mode = Literal['target', 'separate']

# Of hosts that do not label targets in the iteration.
_THRESHOLD = 0.968
_PLACE = 'model.terms: MaskedConsistency'


@MODELS.register_module()
class MaskedConsistency(Term):
    r"""Learn the teacher's labels of whole images from masked ones.

    Of `MIC <https://arxiv.org/abs/2212.01322>`_ (equations 2 to 6). Square
    blocks of a target image x are hidden; the segmentor f has to infer their
    labels, which a teacher g gives of the whole image, from what is around:

    .. math:: \lambda \, q \, CE(f(M \odot x), \arg\max g(x))

    A host that labels the targets in the iteration (DACS) shares its labels
    and their weights q; otherwise its teacher labels them, and a host that has
    none gets one.

    Args:
        block_size: Side of a block in pixels; or ``token`` to hide patch
            tokens of a backbone that has a mask token, as VFM-UDA does.
        mask_ratio: Part of the blocks that is hidden, in [0, 1).
        mode: Images that are masked: those of the ``target``; or, from clear
            weather to other one, the first half of the batch of the source,
            with its labels, and of the target each (``separate``).
        weight: Factor :math:`\lambda` of the main head's losses; as in the
            published code, those of others (auxiliary, or of HRDA's detail)
            stay.
        threshold: Probability from which the teacher counts as sure, for
            labels of the term's own; None weighs all with 1. By ``host`` they
            are shared with the host, or made by 0.968.
        teacher: Options of the teacher for a host without one, as of
            ``model.teacher``, on top of the published ones: a momentum of
            0.999, and running statistics of its own. Those of a host that
            has one are so, too, unless its options name a ``mode``.
        augmentation: Colour jitter and blur before masking, options of
            ``StrongAugmentation``, or whether. None is the published choice:
            in mode ``target`` alone.

    Raises:
        ConfigError: An option is out of its range or has no effect.
    """

    allows_padding = True

    def __init__(
        self,
        block_size: int | Literal['token'] = 64,
        mask_ratio: float = 0.7,
        mode: Mode = 'target',
        weight: float = 1.0,
        threshold: float | Literal['host'] | None = 'host',
        teacher: Mapping[str, Any] | None = None,
        augmentation: Mapping[str, float] | bool | None = None,
    ) -> None:
        super().__init__()
        if block_size != 'token':
            COUNT.require(block_size, f'{_PLACE}.block_size')
        if threshold != 'host':
            optional(SHARE).require(threshold, f'{_PLACE}.threshold')
        self.block_size = block_size
        self.mask_ratio = BELOW_ONE.require(mask_ratio, f'{_PLACE}.mask_ratio')
        self.mode = check_choice('terms: MaskedConsistency.mode', mode, Mode)
        self.weight = NOT_NEGATIVE.require(weight, f'{_PLACE}.weight')
        self.threshold = threshold
        self.teacher = teacher
        if augmentation is None:
            augmentation = mode == 'target'
        self.augmentation = augmentation_of(augmentation, _PLACE)

    def attach(self, model) -> None:
        """Give a teacher to a host that has none.

        Raises:
            ConfigError: It has one, for which there are options here, or
                whose updates overwrite statistics of its own; or tokens are
                hidden of a backbone that has none.
        """
        if self.block_size == 'token':
            model.network.learn_mask_token()
        if model.teacher is None:
            model.add_teacher(self.teacher or {})
            model.let_teacher_count()
        elif self.teacher is not None:
            raise ConfigError(
                f'{_PLACE}.teacher: {type(model).__name__} has a teacher '
                'already; write its options in model.teacher'
            )
        else:
            model.let_teacher_count()

    def extra(self, model, batch: Batch) -> Iterator[tuple[str, Losses]]:
        """A pass on masked images of each target.

        Losses are named ``<target>.masked.<head>.<loss>``; where the term
        labels by itself, ``<target>.pseudo_label_weight`` is logged as well.
        """
        for name in batch.require_targets(model.targets):
            yield SEGMENTOR, self._losses_on(model, batch, name)

    def _losses_on(self, model, batch: Batch, name: str) -> Losses:
        target, logs = self._labelled(model, batch, name)
        whole: DomainBatch = target
        if self.mode == 'separate':
            whole = halves(batch.source, target)
        seen = replace(whole, images=self._augmented(model, whole.images))
        prediction = self.predict_masked(model, seen)
        losses = model.network.losses(
            prediction, whole.require_labels(), whole.weights
        )
        main = f'{model.head_on(name)}.loss'
        losses = {
            key: self.weight * value if key.startswith(main) else value
            for key, value in losses.items()
        }
        losses |= ddp_dummy_loss(model.segmentor, prediction.logits)
        return add_prefix(losses, f'{name}.masked') | logs

    def _labelled(
        self, model, batch: Batch, name: str
    ) -> tuple[PseudoLabelled, Losses]:
        """A target with pseudo-labels, and what there is to log of them."""
        shared = batch.pseudo_labelled
        if self.threshold == 'host' and name in shared:
            return shared[name], {}
        threshold = _THRESHOLD if self.threshold == 'host' else self.threshold
        target = label_online(model, batch.targets[name], threshold)
        place = f'{name}.masked' if name in shared else name
        assert target.share is not None, 'of label_online()'
        if self.threshold == 'host':
            shared[name] = target
        return target, {f'{place}.pseudo_label_weight': target.share}

    def _augmented(self, model, images: Tensor) -> Tensor:
        draws = self.draw_augmentation(len(images))
        if draws is None:
            return images
        scales = normalisation_of(model.data_preprocessor)
        return StrongAugmentation.apply(images, draws, *scales)

    def draw_augmentation(self, count: int) -> AugmentationDraws | None:
        """Draw how N images are augmented; None for not at all."""
        if self.augmentation is None:
            return None
        return self.augmentation.draw(count, as_one=True)

    def predict_masked(self, model, domain: DomainBatch) -> Prediction:
        """Predict with heads of a target, of masked images.

        Args:
            model: The method.
            domain: Whole images of the target or, mixed with them, of the
                source; has the target's name.
        """
        heads = tuple(model.heads_on(domain.name))
        if self.block_size == 'token':
            view = View(domain.images, heads, mask_ratio=self.mask_ratio)
            return model.segmentor(view)
        size = domain.images.shape[2:]
        blocks = self.draw_blocks(len(domain.images), *size)
        kept = block_mask(blocks.to(domain.images), size, self.mask_ratio)
        masked = domain.images * kept
        first = len(masked) // 2 if self.mode == 'separate' else 0
        model.show(domain.name, masked=masked[first:])
        return model.segmentor(masked, heads=heads)

    def draw_blocks(self, count: int, height: int, width: int) -> Tensor:
        """Numbers by which blocks are hidden, of the CPU's generator.

        Args:
            count: Number of images.
            height: Of the images in pixels.
            width: Of the images in pixels.

        Returns:
            (count, 1, h, w) in [0, 1).

        Raises:
            ConfigError: An image would be one block, all hidden or nothing.
        """
        # Halves to even, as in the published code: 2.5 blocks are two.
        side = self.block_size
        assert side != 'token', 'no blocks are drawn then'
        rows, columns = (
            max(1, round(pixels / side)) for pixels in (height, width)
        )
        if rows * columns == 1:
            raise ConfigError(
                f'{_PLACE}.block_size={side}: images of {width}x{height} '
                'pixels would be a single block, hidden as a whole or not at '
                f'all; give at most {max(height, width) // 2}'
            )
        return torch.rand(count, 1, rows, columns)


def block_mask(
    blocks: Tensor, size: tuple[int, ...], mask_ratio: float
) -> Tensor:
    """Where images are kept.

    Args:
        blocks: (N, 1, h, w) uniform in [0, 1).
        size: Height and width of the images, (H, W).
        mask_ratio: Blocks of at most this number are hidden.

    Returns:
        (N, 1, H, W), 1 where kept and 0 where hidden, of the blocks' type.
    """
    kept = (blocks > mask_ratio).to(blocks)
    return interpolate(kept, size=size, mode='nearest')


def halves(source: DomainBatch, target: DomainBatch) -> DomainBatch:
    """Put the first half of both domains into one batch.

    Args:
        source: Images with labels, which weigh 1 if there are no weights.
        target: N images with labels and weights.

    Returns:
        As many of each as is half of N, rounded down, but at least one; the
        source comes first.
    """
    labels = source.require_labels()
    check_one_size(source.images.shape[-2:], target.images.shape[-2:])
    assert target.weights is not None, 'of pseudo-labels'
    weights = source.weights
    if weights is None:
        weights = torch.ones_like(labels, dtype=target.weights.dtype)
    half = max(1, len(target.images) // 2)
    pairs = (
        (source.images, target.images),
        (labels, target.require_labels()),
        (weights, target.weights),
    )
    images, labels, weights = (
        torch.cat([one[:half], other[:half]]) for one, other in pairs
    )
    return DomainBatch(images, labels, weights, name=target.name)
