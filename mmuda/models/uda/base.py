# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""What all methods of unsupervised domain adaptation share."""

from collections.abc import Sequence
from functools import partial

from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.models.utils import resize
from mmseg.utils import SampleList, add_prefix
from torch import Tensor

from mmuda.models.batch import (
    SOURCE,
    Batch,
    DomainBatch,
    FullSize,
    prepared_batch,
)
from mmuda.models.coverage import THE_CHECKPOINT
from mmuda.models.losses import AverageOver, averaging_over
from mmuda.models.method_checks import (
    check_choice,
    check_preprocessor,
    check_pretrained,
    check_segmentor,
    distinct_targets,
)
from mmuda.models.pretrained import covered_by_pretrained_weights
from mmuda.models.segmentors import Logits, Prediction
from mmuda.models.terms import Term, add_losses, add_terms
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError
from mmuda.utils.head_names import DECODE
from mmuda.utils.players import (
    SEGMENTOR,
    Losses,
    Steps,
    current_iteration,
    ddp_dummy_loss,
    detach,
    run_steps,
    unwrap,
)

from .followers import (
    Follower,
    Network,
    keep_unsaved,
    prepare_followers,
    set_modes,
    start_followers,
)
from .loading import fit_state_dict, start_from


class BaseUDA(BaseSegmentor):
    """A segmentor and a way to train it on several domains.

    An iteration is a generator, :meth:`training_step`, that yields
    ``(player, losses)``: a player is a child module with an optimizer of its
    own. Each yielded loss is backpropagated at once and its graph freed; at
    the end each player takes one step. Here it walks from the source to the
    targets to the discriminators; a method says what is its own there, most
    often :meth:`loss_on_target` alone. Validation and testing are those of
    the segmentor, or of its teacher.

    Args:
        segmentor: Config of a ``UDAEncoderDecoder``.
        data_preprocessor: Config of a ``DomainDataPreprocessor``.
        warmup_iters: Iterations on the source alone before adaptation starts.
        teacher: Have a ``teacher`` next to the segmentor, an average of its
            weights that ``MeanTeacherHook`` updates. A dict may have its
            options, and ``mode='batch_statistics'``, see :class:`Follower`.
        predict_on: The network that validation and testing use.
        terms: Configs of further losses, each a ``Term`` that rides on the
            method.
        targets: Names of the targets that training must have, in the order
            of the method; None for those of the data set.
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
        allows_padding: Whether the losses of a method leave out the padding
            of images of unequal size; others refuse such batches.
        followers: How networks are kept that are never trained, by name.
        teacher_options: Options of the hook that updates the teacher.
        seams: Where a term may ride on the method.
        further_hooks: Types of hooks that a method needs, but a teacher's.
        without_labels: Losses that had no pixel to learn from, once told.
        loading_from: Name of what it is filled from, for messages.

    Raises:
        ConfigError: ``average_over`` or ``predict_on`` is unknown.
    """

    allows_padding = False
    seams: tuple[str, ...] = ('on_source', 'on_target', 'extra')
    further_hooks: tuple[str, ...] = ()
    loading_from = THE_CHECKPOINT
    followers: dict[str, Follower]

    def __init__(
        self,
        segmentor: dict,
        data_preprocessor: dict | None = None,
        warmup_iters: int = 0,
        teacher: bool | dict = False,
        predict_on: Network = 'segmentor',
        terms: Sequence[dict] = (),
        targets: Sequence[str] | None = None,
        average_over: AverageOver = 'batch',
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
        self.targets = None if targets is None else distinct_targets(targets)
        self.warmup_iters = warmup_iters
        self.average_over = check_choice(
            'average_over', average_over, AverageOver
        )
        self.without_labels: set[str] = set()
        check_segmentor(self.segmentor)
        self.predict_on = predict_on
        self.teacher_options = prepare_followers(self, teacher, predict_on)
        self.terms: list[Term] = []
        add_terms(self, terms)

    def init_weights(self) -> None:
        """Initialise all parts; followers start as theirs."""
        fresh = not self.is_init
        with covered_by_pretrained_weights(self):
            super().init_weights()
        if fresh:
            start_followers(self)

    def prepare_start(
        self, state_dict: dict, new_parts: Sequence[str] = ()
    ) -> None:
        """Make weights of another training fit; see ``start_from``."""
        start_from(self, state_dict, new_parts)

    def train(self, mode: bool = True) -> 'BaseUDA':
        """Set the mode of all parts; followers have their own."""
        super().train(mode)
        set_modes(self)
        return self

    def training_step(self, batch: Batch) -> Steps:
        """One iteration as the sequence of losses that are backpropagated.

        No forward pass of a later loss may need the graph of an earlier one.
        Losses are yielded without a name, which would keep their graph.

        Args:
            batch: Images of all domains.

        Yields:
            Name of the player whose gradients count, and its losses by name.
            Values whose name contains "loss" are summed and backpropagated,
            the others are logged only.
        """
        self.check_batch(batch)
        seen: dict[str, Logits] = {}
        yield from self.source_steps(batch, seen)
        if self.is_warming_up:
            return
        for name in self.targets or batch.targets:
            yield from self.target_steps(batch, name, seen)
        yield from self.discriminator_steps(batch, seen)

    def check_batch(self, batch: Batch) -> None:
        """Refuse a batch that the method can't learn from.

        Raises:
            ConfigError: It has no target, or others than the method.
        """
        batch.require_targets(self.targets)

    def source_steps(self, batch: Batch, seen: dict[str, Logits]) -> Steps:
        """What is learned from the source: its labels.

        Args:
            batch: Images of all domains.
            seen: By domain, gets detached logits by head for discriminators.
        """
        yield SEGMENTOR, self.losses_on(batch.source, seen)

    def target_steps(
        self, batch: Batch, name: str, seen: dict[str, Logits]
    ) -> Steps:
        """What is learned from the target of a name; see also above."""
        yield SEGMENTOR, self.losses_on(batch.targets[name], seen)

    def discriminator_steps(
        self, batch: Batch, seen: dict[str, Logits]
    ) -> Steps:
        """What discriminators learn at the end; arguments as before."""
        yield from ()

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
        prediction = self.segmentor(
            domain.images,
            heads=self.heads_on(domain.name),
            features=any(term.needs_features for term in self.terms),
        )
        logits, is_source = prediction.logits, domain.name == SOURCE
        full = FullSize(logits, partial(self.upsample, images=domain.images))
        own = self.loss_on_source if is_source else self.loss_on_target
        losses = own(prediction, full, domain)
        if self.terms:
            add_losses(self, losses, prediction, full, domain)
        losses |= ddp_dummy_loss(self.segmentor, logits)
        seen[domain.name] = detach(logits)
        return add_prefix(losses, domain.name)

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

    def train_step(
        self, data: dict, optim_wrapper: OptimWrapper | OptimWrapperDict
    ) -> dict[str, Tensor]:
        """Run :meth:`training_step` and step each player once.

        Args:
            data: A batch of a ``DomainDataset``.
            optim_wrapper: Optimizer wrappers by player.

        Returns:
            Every loss of every player by name, the mean of all processes.
        """
        with averaging_over(self.average_over):
            batch = prepared_batch(data, self)
            return run_steps(self, self._steps(batch), optim_wrapper)

    def _steps(self, batch: Batch) -> Steps:
        yield from self.training_step(batch)
        for term in () if self.is_warming_up else self.terms:
            yield from term.extra(self, batch)

    def upsample(self, logits: Tensor, images: Tensor) -> Tensor:
        """Resize logits (N, C, h, w) to the size of the images."""
        return resize(
            logits,
            size=images.shape[2:],
            mode='bilinear',
            align_corners=self.align_corners,
            warning=False,
        )

    @property
    def network(self) -> BaseSegmentor:
        """The segmentor itself, for its losses and the names of its heads.

        Images are shown to ``segmentor``, which may be in a distributed
        wrapper.
        """
        return unwrap(self.segmentor)

    @property
    def needed_hooks(self) -> list[dict]:
        """Configs of hooks without which training would not be right.

        ``UDATrainLoop`` adds those that a config does not name.
        """
        hook = dict(type='MeanTeacherHook', **self.teacher_options)
        needed = [] if self.teacher is None else [hook]
        return [*needed, *(dict(type=name) for name in self.further_hooks)]

    @property
    def is_warming_up(self) -> bool:
        """Whether training still sees the source alone."""
        return current_iteration() < self.warmup_iters

    @property
    def predictor(self) -> BaseSegmentor:
        """The network that validation and testing use."""
        return unwrap(getattr(self, self.predict_on))

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

    def predicts_by_planes(self, metas: list[dict]) -> bool:
        """Whether the predictor does; see ``UDAEncoderDecoder``."""
        return self.predictor.predicts_by_planes(metas)

    def output_planes(self, inputs: Tensor, metas: list[dict]) -> list:
        """Logits of the predictor; see ``UDAEncoderDecoder``."""
        return self.predictor.output_planes(inputs, metas)

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

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        fit_state_dict(state_dict, prefix, self)
        keep_unsaved(self, state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args)
