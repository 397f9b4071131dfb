# Copyright (c) mmuda authors.
"""MIC's consistency of masked images as a term."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from itertools import chain, count
from typing import Annotated, Literal, cast

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
from mmuda.models.batch import Batch, DomainBatch
from mmuda.models.followers import TEACHER, Teacher
from mmuda.models.method_checks import check_choice
from mmuda.models.mixing import halves
from mmuda.models.online_labels import label_online
from mmuda.models.players import SEGMENTOR, ddp_dummy_loss
from mmuda.models.segmentors import Prediction, View
from mmuda.models.term import Losses, Term
from mmuda.registry import MODELS
from mmuda.utils.checks import BELOW_ONE, COUNT, NOT_NEGATIVE, SHARE, optional
from mmuda.utils.errors import ConfigError
from mmuda.utils.names import DECODE

Domain = Literal['target', 'source', 'separate']
Mode = Literal[
    'target',
    'source',
    'separate',
    'separatetrg',
    'separatetrgaug',
    'separatesrc',
    'separatesrcaug',
    'separateaug',
]

# Published names that say what is masked, and whether it is augmented before.
_PUBLISHED: dict[str, tuple[Domain, bool]] = {
    'separatetrg': ('target', False),
    'separatetrgaug': ('target', True),
    'separatesrc': ('source', False),
    'separatesrcaug': ('source', True),
    'separateaug': ('separate', True),
}
# Of hosts that do not label targets in the iteration.
_THRESHOLD = 0.968
_PLACE = 'model.terms: MaskedConsistency'
_NAME, _OWN_TEACHER = 'masked', 'masked_teacher'
_TEACHER_PLACE = 'terms: MaskedConsistency.teacher'


@MODELS.register_module()
class MaskedConsistency(Term):
    r"""Learn the teacher's labels of whole images from masked ones.

    Of `MIC <https://arxiv.org/abs/2212.01322>`_ (equations 2 to 6). Square
    blocks of a target image x are hidden; the segmentor f has to infer their
    labels, which a teacher g gives of the whole image, from what is around:

    .. math:: \lambda \, q \, CE(f(M \odot x), \arg\max g(x))

    A host that labels the targets in the iteration (DACS) shares its labels
    and their weights q; otherwise its teacher labels them, and a host that has
    none gets one. The term may also have a teacher of its own beside the
    host's.

    Args:
        block_size: Side of a block in pixels; or ``token`` to hide patch
            tokens of a backbone that has a mask token, as VFM-UDA does.
        mask_ratio: Part of the blocks that is hidden, in [0, 1).
        mode: Images that are masked: those of the ``target``; from clear
            weather to other one, the first half of the batch of the source,
            with its labels, and of the target each (``separate``); or those of
            the ``source``, with its labels, without a teacher. The published
            names ``separatetrg``, ``separatesrc`` and the like are known, too;
            they say by ``aug`` whether colours change.
        weight: Factor :math:`\lambda` of the main head's losses; as in the
            published code, those of others (auxiliary, or of HRDA's detail)
            stay.
        threshold: Probability from which the teacher counts as sure, for
            labels of the term's own; None weighs all with 1. By ``host`` they
            are shared with the host, or made by its threshold, or by 0.968.
            A host's ``flip_average`` holds for the term's own, too.
        teacher: Options of the teacher for a host without one, as of
            ``model.teacher``, on top of the published ones: a momentum of
            0.999, and running statistics of its own. Those of a host that
            has one are so, too, unless its options name a ``mode``.
        share_teacher: Whether a host's teacher labels for the term. With
            False a host that has one gets another, with the options of
            ``teacher``: the ``mask_alpha`` of the published code is its
            momentum. It takes the memory of one more network.
        augmentation: Colour jitter and blur before masking, options of
            ``StrongAugmentation``, or whether. None is the published choice:
            in mode ``target`` alone.

    Raises:
        ConfigError: An option is out of its range or has no effect.
    """

    allows_padding = True

    def __init__(
        self,
        block_size: Annotated[int, COUNT] | Literal['token'] = 64,
        mask_ratio: float = 0.7,
        mode: Mode = 'target',
        weight: float = 1.0,
        threshold: float | Literal['host'] | None = 'host',
        teacher: Teacher | None = None,
        augmentation: Mapping[str, float] | bool | None = None,
        share_teacher: bool = True,
    ) -> None:
        super().__init__()
        if block_size != 'token':
            COUNT.require(block_size, f'{_PLACE}.block_size')
        if threshold != 'host':
            optional(SHARE).require(threshold, f'{_PLACE}.threshold')
        self.block_size = block_size
        self.mask_ratio = BELOW_ONE.require(mask_ratio, f'{_PLACE}.mask_ratio')
        check_choice('terms: MaskedConsistency.mode', mode, Mode)
        self.weight = NOT_NEGATIVE.require(weight, f'{_PLACE}.weight')
        self.threshold = threshold
        self.teacher, self.share_teacher = teacher, share_teacher
        self.mode, augmentation = _masked_domain(mode, augmentation)
        self.augmentation = augmentation_of(augmentation, _PLACE)
        self.labelled_by, self.name = TEACHER, _NAME
        self.learns_targets = self.mode != 'source'
        if not self.learns_targets:
            self._refuse_a_teacher()

    def _refuse_a_teacher(self) -> None:
        given = (
            ('threshold', self.threshold != 'host'),
            ('teacher', self.teacher is not None),
            ('share_teacher', not self.share_teacher),
        )
        for name, is_given in given:
            if is_given:
                raise ConfigError(
                    f'{_PLACE}.{name} has no effect on masked images of the '
                    'source, which have labels; leave it out, or choose '
                    'another mode'
                )

    def attach(self, model) -> None:
        """Give a teacher to a host that has none, or one beside its own.

        The second term on the same domain is called ``masked_2`` in logs and
        pictures, and so on.

        Raises:
            ConfigError: It has one, for which there are options here, or
                whose updates overwrite statistics of its own; or tokens are
                hidden of a backbone that has none.
        """
        alike = sum(
            isinstance(term, MaskedConsistency)
            and term.learns_targets == self.learns_targets
            for term in model.terms
        )
        if alike > 1:
            self.name = f'{_NAME}_{alike}'
        if self.block_size == 'token':
            model.network.learn_mask_token()
        if self.mode == 'source':
            return
        if model.teacher is None:
            model.add_teacher(self.teacher or {}, place=_TEACHER_PLACE)
            model.let_teacher_count()
        elif not self.share_teacher:
            self.labelled_by = _free_name(model.teachers)
            options = dict(self.teacher or {})
            options.setdefault('mode', 'own_statistics')
            model.add_teacher(options, self.labelled_by, _TEACHER_PLACE)
        elif self.teacher is not None:
            raise ConfigError(
                f'{_PLACE}.teacher: {type(model).__name__} has a teacher '
                'already; write its options in model.teacher, or give the '
                'term one of its own by share_teacher=False'
            )
        else:
            model.let_teacher_count()

    def extra(self, model, batch: Batch) -> Iterator[tuple[str, Losses]]:
        """A pass on masked images of each target, or of the source.

        Losses are named ``<domain>.masked.<head>.<loss>``; where the term
        labels by itself, ``<target>.pseudo_label_weight`` is logged as well.
        """
        if self.mode == 'source':
            names = model.targets or [*batch.targets]
            heads = {model.head_on(name) for name in names} or {DECODE}
            yield SEGMENTOR, self._losses_on(model, batch.source, heads)
            return
        for name in batch.require_targets(model.targets):
            whole, logs = self._labelled(model, batch, name)
            if self.mode == 'separate':
                whole = halves(batch.source, whole)
            losses = self._losses_on(model, whole, {model.head_on(name)})
            yield SEGMENTOR, losses | logs

    def _losses_on(
        self, model, whole: DomainBatch, main: Collection[str]
    ) -> Losses:
        """Losses on images as they are masked; of main heads by the weight."""
        seen = replace(whole, images=self._augmented(model, whole.images))
        prediction = self.predict_masked(model, seen)
        losses = model.network.losses(
            prediction, whole.require_labels(), whole.weights, whole.pseudo
        )
        starts = tuple(f'{head}.loss' for head in main)
        losses = {
            key: self.weight * value if key.startswith(starts) else value
            for key, value in losses.items()
        }
        losses |= ddp_dummy_loss(model.segmentor, prediction.logits)
        return add_prefix(losses, f'{whole.name}.{self.name}')

    def _labelled(
        self, model, batch: Batch, name: str
    ) -> tuple[DomainBatch, Losses]:
        """A target with pseudo-labels, and what there is to log of them."""
        shared = batch.pseudo_labelled
        shares = self.labelled_by == TEACHER and self.threshold == 'host'
        if shares and name in shared:
            return shared[name], {}
        hosts: float | None = getattr(model, 'threshold', _THRESHOLD)
        threshold = hosts if self.threshold == 'host' else self.threshold
        # The host's knows where its rows do not count.
        whole = shared.get(name, batch.targets[name])
        flip_average = getattr(model, 'flip_average', False)
        target = label_online(
            model, whole, threshold, flip_average, self.labelled_by
        )
        only = name not in shared and self.name == _NAME
        place = name if only else f'{name}.{self.name}'
        assert target.share is not None, 'of label_online()'
        if shares:
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
        """Predict with heads of a domain, of masked images.

        Args:
            model: The method.
            domain: Whole images of the source; or of a target, whose name it
                has, mixed with some of the source or not.
        """
        heads = tuple(model.heads_on(domain.name))
        if self.block_size == 'token':
            view = View(domain.images, heads, mask_ratio=self.mask_ratio)
            prediction = model.segmentor(view)
            if prediction.token_mask is not None:
                self._show(model, domain, ~prediction.token_mask[:, None])
            return prediction
        size = domain.images.shape[2:]
        blocks = self.draw_blocks(len(domain.images), *size)
        kept = block_mask(blocks.to(domain.images), size, self.mask_ratio)
        self._show(model, domain, kept)
        return model.segmentor(domain.images * kept, heads=heads)

    def _show(self, model, domain: DomainBatch, kept: Tensor) -> None:
        """Have the first image drawn with what is kept (N, 1, h, w) of it."""
        if model.shown is None:
            return
        # Those of the source come before.
        half = len(kept) // 2 if self.mode == 'separate' else 0
        images = domain.images[half : half + 1]
        kept = interpolate(kept[half : half + 1].to(images), images.shape[2:])
        model.show(domain.name, **{self.name: images * kept})

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


def _masked_domain(
    mode: Mode, augmentation: Mapping[str, float] | bool | None
) -> tuple[Domain, Mapping[str, float] | bool]:
    """What a mode masks, and how it is augmented before.

    Raises:
        ConfigError: A published name says something else of augmentation.
    """
    if mode not in _PUBLISHED:
        if augmentation is None:
            augmentation = mode == 'target'
        return cast(Domain, mode), augmentation
    domain, augments = _PUBLISHED[mode]
    if augmentation is None:
        augmentation = augments
    if augments != (augmentation is not False):
        raise ConfigError(
            f'{_PLACE}.augmentation={augmentation!r} does not go with mode='
            f'{mode!r}, which says whether images are augmented; leave it '
            f'out, or write mode={domain!r}'
        )
    return domain, augmentation


def _free_name(names: Collection[str]) -> str:
    """A name for a term's own teacher that no other has."""
    numbered = (f'{_OWN_TEACHER}_{number}' for number in count(2))
    return next(n for n in chain([_OWN_TEACHER], numbered) if n not in names)


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
