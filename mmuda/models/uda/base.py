# Copyright (c) mmuda authors.
"""What all methods of segmentation share."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import torch
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.models.utils import resize
from mmseg.utils import SampleList, add_prefix
from torch import Tensor

from mmuda.models.batch import Batch, DomainBatch
from mmuda.models.domain_norms import separate_statistics
from mmuda.models.followers import FollowersMixin, Teacher
from mmuda.models.labelled_target import labelled_steps
from mmuda.models.losses import AverageOver, averaging_over
from mmuda.models.method_checks import (
    check_choice,
    check_number,
    check_pretrained,
    check_segmentor,
)
from mmuda.models.norm_statistics import NormStatistics, statistics_options
from mmuda.models.players import (
    Losses,
    PlayersMixin,
    Steps,
    current_iteration,
    ddp_dummy_loss,
)
from mmuda.models.preprocessor import check_preprocessor
from mmuda.models.segmentors import Logits, Prediction
from mmuda.models.term import add_losses
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError
from mmuda.utils.names import DECODE, SOURCE

Network = Literal['segmentor', 'teacher']


class BaseUDA(FollowersMixin, PlayersMixin, BaseSegmentor):
    """A segmentor and a way to train it on several domains.

    An iteration is the walk of :class:`PlayersMixin` from the source to the
    targets to the discriminators; a method says what is its own there, most
    often :meth:`loss_on_target` alone. Validation and testing are those of
    the segmentor, or of its teacher.

    Args:
        segmentor: Config of a ``UDAEncoderDecoder``.
        data_preprocessor: Config of a ``DomainDataPreprocessor``.
        warmup_iters: Iterations on the source alone before adaptation starts.
        teacher: Have a ``teacher`` next to the segmentor, an average of its
            weights that ``MeanTeacherHook`` updates. A dict may have its
            options, and the ``mode`` of a :class:`Follower`.
        predict_on: The network that validation and testing use.
        terms: Configs of further losses, each a ``Term`` that rides on the
            method.
        targets: Names of the targets that training must have, in the order
            of the method; None for those of the data set.
        norm_statistics: What running statistics of batch norm are of that
            predict: all domains, ``mixed`` in turn as training sees them; the
            ``target``, measured on its images before validation, labelling
            and saving (AdaBN), or a dict of options of
            ``TargetNormStatisticsHook``; or ``by_domain``, the target's own
            beside those of the source, kept apart in training (DSBN).
        labelled_target_weight: Factor of the supervised losses on the
            domain ``labelled_target``, if the data set has one; 0 leaves its
            pass out. See :func:`labelled_steps`.
        average_over: What losses are the mean of, with several processes:
            the pixels that count (labelled, not rejected, no padding) of the
            whole ``batch``, so that the number of processes does not matter,
            or those of each ``process``, as in plain DDP. Losses of mmseg
            other than ``CrossEntropyLoss`` have the latter.
        train_cfg: Not used; mmseg's loading functions pass it.
        test_cfg: Not used; belongs to the segmentor.
        pretrained: Must stay None; belongs to the segmentor.
        init_cfg: As of mmengine's ``BaseModule``.

    Attributes:
        dataset_meta: Classes and palette of the data, where the loop that
            trains has told.
        shown: What pictures of this iteration show, by domain; None where
            none is drawn. See :meth:`show`.
        without_labels: Losses that had no pixel to learn from, once told.
        learns_labelled_target: Whether a few labels of a target are learned.

    Raises:
        ConfigError: ``average_over``, ``predict_on`` or ``norm_statistics``
            is unknown, or domains can't be kept apart.
    """

    network_type = BaseSegmentor
    learns_labelled_target = True
    dataset_meta: Mapping[str, Any] | None = None
    shown: dict[str, dict[str, Tensor]] | None = None

    def __init__(
        self,
        segmentor: dict,
        data_preprocessor: dict | None = None,
        warmup_iters: int = 0,
        teacher: bool | Teacher = False,
        predict_on: Network = 'segmentor',
        terms: Sequence[dict] = (),
        targets: Sequence[str] | None = None,
        norm_statistics: NormStatistics | dict[str, Any] = 'mixed',
        average_over: AverageOver = 'batch',
        labelled_target_weight: float = 1.0,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        pretrained: str | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        check_pretrained(pretrained)
        if data_preprocessor is not None:
            check_preprocessor(self.data_preprocessor)
        self.segmentor = MODELS.build(segmentor)
        check_segmentor(self.segmentor)
        self.average_over = check_choice(
            'average_over', average_over, AverageOver
        )
        self.labelled_target_weight = check_number(
            'labelled_target_weight', labelled_target_weight
        )
        self.without_labels: set[str] = set()
        self.prepare_followers(teacher, predict_on)
        self.prepare_walk(targets, warmup_iters, terms)
        self._prepare_norms(norm_statistics)

    def _prepare_norms(
        self, norm_statistics: NormStatistics | dict[str, Any]
    ) -> None:
        self.norm_statistics, options = statistics_options(norm_statistics)
        self.statistics_hooks = (
            [dict(type='TargetNormStatisticsHook', **options)]
            if self.norm_statistics == 'target'
            else []
        )
        if self.norm_statistics == 'by_domain':
            separate_statistics(self)

    @property
    def needed_hooks(self) -> list[dict]:
        """As of :class:`FollowersMixin`, and what measures statistics."""
        return [*super().needed_hooks, *self.statistics_hooks]

    def train_step(
        self, data: dict, optim_wrapper: OptimWrapper | OptimWrapperDict
    ) -> Losses:
        """One iteration; see :class:`PlayersMixin`."""
        with averaging_over(self.average_over):
            losses = super().train_step(data, optim_wrapper)
        _warn_without_labels(losses, self.without_labels)
        return losses

    def _steps(self, batch: Batch) -> Steps:
        """All of an iteration, at last what labels of a target teach."""
        yield from super()._steps(batch)
        if batch.labelled_target is not None:
            yield from labelled_steps(self, batch.labelled_target)

    @torch.no_grad()
    def preview(self, batch: Batch) -> dict[str, dict[str, Tensor]]:
        """What an iteration makes of a batch, without learning from it.

        Args:
            batch: Of the preprocessor; gets what a teacher labels.

        Returns:
            As of :meth:`show`, by domain.
        """
        self.shown = {}
        with averaging_over(self.average_over):
            for _ in self._steps(batch):
                pass
        shown, self.shown = self.shown, None
        return shown

    def losses_on(
        self, domain: DomainBatch, seen: dict[str, Logits]
    ) -> Losses:
        """Losses of one pass on a domain, the method's own and of terms.

        Args:
            domain: The source or a target.
            seen: Gets the detached logits.

        Returns:
            Losses named ``<domain>.<head>.<loss>``.
        """
        is_source = domain.name == SOURCE
        if is_source:
            domain = self.as_learned(domain)
        prediction = self.segmentor(
            domain.images,
            heads=self.heads_on(domain.name),
            features=any(term.needs_features for term in self.terms),
        )
        logits = prediction.logits
        full = self.full_size(logits, domain.images)
        own = self.loss_on_source if is_source else self.loss_on_target
        losses = own(prediction, full, domain)
        if self.terms:
            add_losses(self, losses, prediction, full, domain)
        losses |= ddp_dummy_loss(self.segmentor, logits)
        seen[domain.name] = detach(logits)
        return add_prefix(losses, domain.name)

    def show(self, domain: str, **maps: Tensor) -> None:
        """Keep what an iteration makes, if ``DomainVisualizationHook`` asks.

        Args:
            domain: Name of a target, or of the source.
            **maps: Of its images, of which the first is shown:
                ``pseudo_label``, ``confidence`` and ``mixed_label`` (N, H, W),
                ``mixed`` and
                those that begin with ``masked`` (N, 3, H, W).
        """
        if self.shown is not None:
            first = {name: values[0].detach() for name, values in maps.items()}
            self.shown.setdefault(domain, {}).update(first)

    def as_learned(self, labelled: DomainBatch) -> DomainBatch:
        """How images with ground truth are learned; here as they are.

        Args:
            labelled: Of the source, or of a target with a few labels.
        """
        return labelled

    def loss_on_source(
        self, prediction: Prediction, full: Logits, source: DomainBatch
    ) -> Losses:
        """Supervised losses; arguments as of :meth:`loss_on_target`."""
        return self.network.losses(
            prediction, source.require_labels(), source.weights
        )

    def loss_on_target(
        self, prediction: Prediction, full: Logits, target: DomainBatch
    ) -> Losses:
        """A method's own losses on the images of one target; here none.

        Args:
            prediction: Logits (N, C, h, w) by head, with their graph.
            full: The same at the size of the images, (N, C, H, W); each is
                computed when it is first asked for.
            target: The images, and pseudo-labels if there are some.

        Returns:
            Weighted losses by name.
        """
        return {}

    def heads_on(self, domain: str) -> tuple[str, ...]:
        """Heads that predict a domain in training; here all.

        Args:
            domain: The source or a target.
        """
        return tuple(self.network.heads())

    def head_on(self, target: str, level: str = DECODE) -> str:
        """Name of the head of a level that learns a target; here its name.

        Args:
            target: Name of the target.
            level: ``decode``, ``aux``, ... as of a segmentor of one target.
        """
        return level

    def upsample(self, logits: Tensor, images: Tensor) -> Tensor:
        """Resize logits (N, C, h, w) to the size of the images."""
        return resize(
            logits,
            size=images.shape[2:],
            mode='bilinear',
            align_corners=self.align_corners,
            warning=False,
        )

    def full_size(self, logits: Logits, images: Tensor) -> Logits:
        """Logits (N, C, H, W) by head at the size of images, once asked."""
        return FullSize(logits, partial(self.upsample, images=images))

    @property
    def align_corners(self) -> bool:
        """Of the segmentor."""
        return self.network.align_corners

    @property
    def num_classes(self) -> int:
        """Number of classes of the main head."""
        return self.network.num_classes

    @property
    def out_channels(self) -> int:
        """Output channels of the main head."""
        return self.network.out_channels

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Features of the predictor's backbone and neck."""
        return self.predictor.extract_feat(inputs)

    def encode_decode(
        self, inputs: Tensor, batch_data_samples: list[dict]
    ) -> Tensor:
        """Logits of the predictor, (N, C, H, W)."""
        return self.predictor.encode_decode(inputs, batch_data_samples)

    def predict_logits(self, inputs: Tensor) -> Tensor:
        """Logits of the predictor, (N, C, h, w), of (N, 3, H, W)."""
        return self.predictor.predict_logits(inputs)

    def predict(
        self, inputs: Tensor, data_samples: SampleList | None = None
    ) -> SampleList:
        """Predictions of the predictor for (N, 3, H, W) images."""
        return self.predictor.predict(inputs, data_samples)

    def predicts_in_strips(self) -> bool:
        """Whether the predictor does; see ``UDAEncoderDecoder``."""
        return self.predictor.predicts_in_strips()

    def output_strips(self, inputs: Tensor, metas: list[dict]) -> Iterator:
        """Logits of the predictor; see ``UDAEncoderDecoder``."""
        return self.predictor.output_strips(inputs, metas)

    def _forward(
        self, inputs: Tensor, data_samples: SampleList | None = None
    ) -> Tensor:
        return self.predict_logits(inputs)

    def loss(self, inputs: Tensor, data_samples: SampleList) -> dict:
        """Refuse: a UDA method trains by several steps, not by one loss."""
        raise ConfigError(
            f'{type(self).__name__} is trained by train_step(); with several '
            "processes: model_wrapper_cfg.type='UDADistributedDataParallel'"
        )


def _warn_without_labels(logs: Losses, told: set[str]) -> None:
    """Say once for each loss that a batch has nothing to learn from."""
    for name, value in logs.items():
        if 'acc_seg' in name and name not in told and value.isnan():
            told.add(name)
            print_log(
                f'Iteration {current_iteration() + 1}: all pixels of the '
                f'batch are ignored, none has a label ({name} is nan); later '
                'ones like it are not reported',
                'current',
                logging.WARNING,
            )


def detach(logits: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same logits without their graph."""
    return {name: values.detach() for name, values in logits.items()}


class FullSize(Mapping[str, Tensor]):
    """Logits at the size of the images by head, made when first asked for.

    Args:
        logits: (N, C, h, w) by head.
        resize: Brings them to (N, C, H, W).
    """

    def __init__(
        self, logits: Mapping[str, Tensor], resize: Callable[[Tensor], Tensor]
    ) -> None:
        self._logits, self._resize = logits, resize
        self._made: dict[str, Tensor] = {}

    def __getitem__(self, head: str) -> Tensor:
        if head not in self._made:
            self._made[head] = self._resize(self._logits[head])
        return self._made[head]

    def __contains__(self, head: object) -> bool:
        return head in self._logits

    def __iter__(self) -> Iterator[str]:
        return iter(self._logits)

    def __len__(self) -> int:
        return len(self._logits)
