# Copyright (c) mmuda authors.
"""Self-training on mixed images with an online teacher."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import torch
from mmseg.utils import add_prefix
from torch import Tensor

from mmuda.models.augmentation import (
    AugmentationDraws,
    StrongAugmentation,
    augmentation_of,
    normalisation_of,
)
from mmuda.models.batch import Batch, DomainBatch, PseudoLabelled
from mmuda.models.followers import Teacher, TeacherOptions
from mmuda.models.losses import losses_of, share_of_pixels
from mmuda.models.method_checks import check_choice, check_number
from mmuda.models.mixing import ClassesOf, halves_of_classes, mix_classes
from mmuda.models.online_labels import label_online
from mmuda.models.players import Losses, Steps, ddp_dummy_loss
from mmuda.models.segmentors import Logits, Prediction
from mmuda.registry import MODELS
from mmuda.utils.checks import WHOLE
from mmuda.utils.errors import ConfigError
from mmuda.utils.names import IGNORE_ID

from .base import BaseUDA

SourceMean = Literal['all', 'labelled']

# Of DAFormer and what came after it.
_TEACHER = TeacherOptions(
    momentum=0.999, mode='own_statistics', buffers='keep'
)


@MODELS.register_module()
class DACS(BaseUDA):
    r"""Domain adaptation via cross-domain mixed sampling.

    `Tranheden et al. <https://arxiv.org/abs/2007.08702>`_, WACV 2021, in the
    form that `DAFormer <https://arxiv.org/abs/2111.14887>`_, HRDA and MIC
    build on. A teacher, the average of the segmentor, labels the target
    images as they are. Half of the classes of each source image are pasted
    on a target image, of the image and of the label; the mixed image is
    jittered and blurred, and learned:

    .. math:: L = CE(f(x_S), y_S) + CE(f(x_M), y_M, w), \quad
        w = 1 \text{ where pasted, else } q

    where q is the part of the target's pixels that the teacher is sure of.
    Losses are means over all pixels, those without a label included, as
    mmseg's ``CrossEntropyLoss`` takes them by default. Each of several
    targets is labelled and mixed on its own, with the same source images.

    Args:
        segmentor: Config of a ``UDAEncoderDecoder``.
        threshold: Probability from which on the teacher is sure of a pixel;
            None for a weight of 1 everywhere.
        classes_of: Whether the classes that may be pasted are those of the
            whole ``batch``, as of DAFormer, or of the ``image``, as of DACS.
        augmentation: Options of ``StrongAugmentation`` for mixed images;
            False leaves them as they are.
        ignored_rows: ``dict(top=15, bottom=120)`` has rows of each target
            image whose pseudo-labels do not count (DAFormer; right only where
            crops have the height of the image). ``PseudoLabelMargins`` in the
            target's pipeline is right for any crop.
        source_mean: Pixels of the source that its losses are the mean of:
            ``all``, or those that are ``labelled``, as of DACS. With a
            ``class_weight`` of a head's loss, which is that of true labels,
            they are the labelled ones.
        flip_average: Whether the teacher labels by the mean of what it makes
            of an image and of its mirror image, as in VFM-UDA.
        teacher: As of :class:`BaseUDA`, on top of ``momentum=0.999``,
            ``mode='own_statistics'`` and ``buffers='keep'``, which are those
            of DAFormer. DACS itself has ``momentum=0.99, begin=1``.
        **kwargs: As of :class:`BaseUDA`.

    Raises:
        ConfigError: There is no teacher, or an option is out of its range.
    """

    allows_padding = True
    # The pass on a target sees mixed images, no term knows what is in them.
    seams = ('on_source', 'extra')

    def __init__(
        self,
        segmentor: dict,
        threshold: float | None = 0.968,
        classes_of: ClassesOf = 'batch',
        augmentation: dict | bool = True,
        ignored_rows: dict[str, int] | None = None,
        source_mean: SourceMean = 'all',
        flip_average: bool = False,
        teacher: bool | Teacher = True,
        **kwargs,
    ) -> None:
        if teacher is False or teacher is None:
            raise ConfigError(
                'model.teacher: DACS needs its teacher, which labels the '
                'target; leave it out for the published one'
            )
        own: TeacherOptions = {} if teacher is True else teacher
        super().__init__(segmentor, teacher=_with_defaults(own), **kwargs)
        if threshold is not None:
            check_number('threshold', threshold, 0, 1)
        self.threshold, self.flip_average = threshold, flip_average
        self.classes_of = check_choice('classes_of', classes_of, ClassesOf)
        self.augmentation = augmentation_of(augmentation, 'model')
        self.ignored_rows = _checked_rows(ignored_rows)
        self.source_mean = check_choice('source_mean', source_mean, SourceMean)
        if source_mean == 'labelled':
            self._require_means_of_all()

    def _require_means_of_all(self) -> None:
        for name, head in self.network.heads().items():
            losses = losses_of(head)
            if any(
                getattr(loss, 'class_weight', None) is not None
                for loss in losses
            ):
                raise ConfigError(
                    "model.source_mean='labelled' needs class_weight=None of "
                    f"the losses of head '{name}', as those with weights are "
                    'means of labelled pixels anyway; leave one of them out'
                )
            if any(getattr(loss, 'avg_non_ignore', False) for loss in losses):
                raise ConfigError(
                    "model.source_mean='labelled' needs avg_non_ignore=False "
                    f"of the losses of head '{name}': with True those of "
                    'mixed images are means of labelled pixels, too'
                )

    def check_batch(self, batch: Batch) -> None:
        """Refuse a batch that can't be mixed."""
        super().check_batch(batch)
        count = len(batch.source.images)
        for name, target in batch.targets.items():
            if len(target.images) > count:
                raise ConfigError(
                    'DACS pastes on each target image from a source image, '
                    f'but a batch has {count} of the source and '
                    f'{len(target.images)} of {name!r}: raise source in '
                    'train_dataloader.dataset.samples'
                )
            self._check_rows(name, target)

    def _check_rows(self, name: str, target: DomainBatch) -> None:
        if not self.ignored_rows:
            return
        if target.region is not None:
            raise ConfigError(
                'model.ignored_rows and PseudoLabelMargins in the pipeline '
                f'of {name!r} both say where pseudo-labels count; leave one '
                'of them out'
            )
        height = target.images.shape[2]
        if sum(self.ignored_rows.values()) >= height:
            raise ConfigError(
                f'model.ignored_rows={self.ignored_rows} leaves nothing of '
                f'the images of {name!r}, which have {height} rows'
            )

    def loss_on_source(
        self, prediction: Prediction, full: Logits, source: DomainBatch
    ) -> Losses:
        """Supervised losses, means over the pixels of ``source_mean``."""
        if self.source_mean == 'labelled':
            labels = source.require_labels()
            dtype = next(iter(prediction.logits.values())).dtype
            share = share_of_pixels(labels != IGNORE_ID, dtype=dtype)
            # Without a labelled pixel the loss is 0 whatever it is times.
            weights = torch.ones_like(labels, dtype=dtype) / share.clamp(
                min=1 / labels.numel()
            )
            if source.weights is not None:
                weights = weights * source.weights
            source = replace(source, weights=weights)
        return super().loss_on_source(prediction, full, source)

    def target_steps(
        self, batch: Batch, name: str, seen: dict[str, Any]
    ) -> Steps:
        """Label a target, mix it with the source and learn the mixture."""
        target = self._with_region(batch.targets[name])
        labelled = label_online(
            self, target, self.threshold, self.flip_average
        )
        batch.pseudo_labelled[name] = labelled
        yield self.main, self.losses_on_mixture(batch.source, labelled)

    def _with_region(self, target: DomainBatch) -> DomainBatch:
        if not self.ignored_rows:
            return target
        height = target.images.shape[2]
        rows = torch.arange(height, device=target.images.device)
        below = height - self.ignored_rows['bottom']
        counts = (rows >= self.ignored_rows['top']) & (rows < below)
        shape = (len(target.images), *target.images.shape[2:])
        return replace(target, region=counts[:, None].expand(shape))

    def losses_on_mixture(
        self, source: DomainBatch, target: PseudoLabelled
    ) -> Losses:
        """Losses on mixed images, named ``<target>.mix.<head>.<loss>``.

        Args:
            source: At least N images with labels.
            target: N images as the teacher has labelled them.

        Returns:
            Losses, and for the log the weight of pseudo-labels and the share
            of mixed images that is of the source.
        """
        mixed, pasted = self.mix(source, target)
        labels = mixed.require_labels()
        self.show(target.name, mixed=mixed.images, mixed_label=labels)
        prediction = self.segmentor(
            mixed.images, heads=self.heads_on(target.name)
        )
        losses = self.network.losses(
            prediction, labels, mixed.weights, mixed.pseudo
        )
        losses |= ddp_dummy_loss(self.segmentor, prediction.logits)
        assert target.share is not None, 'of label_online()'
        return add_prefix(losses, f'{target.name}.mix') | {
            f'{target.name}.pseudo_label_weight': target.share,
            f'{target.name}.mixed_share': share_of_pixels(pasted),
        }

    def mix(
        self, source: DomainBatch, target: DomainBatch
    ) -> tuple[DomainBatch, Tensor]:
        """Paste classes of the source on a target, and augment the mixture.

        Args:
            source: At least N images with labels.
            target: N images with labels and weights.

        Returns:
            N images with labels and weights, and (N, H, W) bool, where they
            show the source.
        """
        count = len(target.images)
        chosen = self.draw_classes(source.require_labels()[:count])
        mixed, pasted = mix_classes(source, target, chosen)
        draws = self.draw_augmentation(count)
        if draws is None:
            return mixed, pasted
        images = StrongAugmentation.apply(
            mixed.images, draws, *normalisation_of(self.data_preprocessor)
        )
        return replace(mixed, images=images), pasted

    def draw_classes(self, labels: Tensor) -> Tensor:
        """Choose for each source image the classes that are pasted.

        Args:
            labels: (N, H, W) train ids.

        Returns:
            (N, 256) bool.
        """
        return halves_of_classes(labels, self.classes_of)

    def draw_augmentation(self, count: int) -> AugmentationDraws | None:
        """Draw how N mixed images are augmented; None for not at all."""
        if self.augmentation is None:
            return None
        return self.augmentation.draw(count)


def _with_defaults(teacher: TeacherOptions) -> TeacherOptions:
    """Options of a teacher on top of the published ones."""
    if teacher.get('mode', 'own_statistics') == 'own_statistics':
        return {**_TEACHER, **teacher}
    # Statistics are kept only where they are counted.
    return {'momentum': _TEACHER['momentum'], **teacher}


def _checked_rows(rows: dict[str, int] | None) -> dict[str, int]:
    if not rows:
        return {}
    if not isinstance(rows, Mapping) or not set(rows) <= {'top', 'bottom'}:
        raise ConfigError(
            f'model.ignored_rows={rows!r} must be dict(top=..., bottom=...)'
        )
    for side, count in rows.items():
        WHOLE.require(count, f'model.ignored_rows.{side}')
    return dict(top=0, bottom=0) | dict(rows)
