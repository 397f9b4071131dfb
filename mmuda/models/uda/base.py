# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""What all methods of unsupervised domain adaptation share."""

import logging
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import get_args

from mmengine.logging import print_log
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.models.utils import resize
from mmseg.utils import SampleList, add_prefix
from torch import Tensor

from mmuda.models.coverage import THE_CHECKPOINT
from mmuda.models.data_preprocessor import valid_pixels
from mmuda.models.losses import AverageOver, averaging_over
from mmuda.models.pretrained import covered_by_pretrained_weights
from mmuda.models.wrappers import unwrap
from mmuda.registry import MODELS
from mmuda.utils.distributed import mean_of_processes
from mmuda.utils.errors import ConfigError
from mmuda.utils.optimization import SequentialUpdate
from mmuda.utils.schedule import current_iteration

from .domains import (
    SOURCE,
    Logits,
    Losses,
    check_preprocessor,
    check_stacked,
    detach,
)
from .loading import fit_state_dict, start_from
from .target_heads import zero_loss
from .teacher import Network, build_teacher, check_network, update_teacher


class BaseUDA(BaseSegmentor):
    """A segmentor and a way to train it on several domains.

    A method implements :meth:`training_step`, a generator that yields
    ``(player, losses)``: a player is a child module with an optimizer of its
    own. Each yielded loss is backpropagated at once and its graph freed; at
    the end each player takes one step. Validation and testing are those of
    the segmentor, or of its teacher.

    Args:
        segmentor: Config of a ``UDAEncoderDecoder``.
        data_preprocessor: Config of a ``DomainDataPreprocessor``.
        warmup_iters: Iterations on the source alone before adaptation starts.
        teacher: Have a ``teacher`` next to the segmentor, an average of its
            weights that ``MeanTeacherHook`` updates.
        predict_on: The network that validation and testing use.
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
        loading_from: Name of what it is filled from, for messages.
        valid: During a training step, by domain (N, H, W) bool, False on
            padding; None for a domain without.

    Raises:
        ConfigError: ``average_over`` or ``predict_on`` is unknown.
    """

    allows_padding = False
    loading_from = THE_CHECKPOINT

    def __init__(
        self,
        segmentor: dict,
        data_preprocessor: dict | None = None,
        warmup_iters: int = 0,
        teacher: bool = False,
        predict_on: Network = 'segmentor',
        average_over: AverageOver = 'batch',
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        pretrained: str | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        if pretrained is not None:
            raise ConfigError(
                f'model.pretrained={pretrained!r} is not read; set '
                'model.segmentor.backbone.init_cfg'
            )
        if data_preprocessor is not None:
            check_preprocessor(self.data_preprocessor)
        self.segmentor = MODELS.build(segmentor)
        self.warmup_iters = warmup_iters
        if average_over not in get_args(AverageOver):
            raise ConfigError(
                f'model.average_over must be one of {get_args(AverageOver)}, '
                f'not {average_over!r}'
            )
        self.average_over = average_over
        self.valid: dict[str, Tensor | None] = {}
        self._without_labels: set[str] = set()
        if not hasattr(self.segmentor, 'loss_from_logits'):
            raise ConfigError(
                "model.segmentor.type must be 'UDAEncoderDecoder', not "
                f"'{segmentor['type']}'; it takes the same arguments as "
                "mmseg's EncoderDecoder"
            )
        check_network(predict_on, teacher)
        self.predict_on = predict_on
        self.teacher = build_teacher(self.segmentor) if teacher else None

    def init_weights(self) -> None:
        """Initialise all parts; the teacher starts as the segmentor."""
        fresh = not self.is_init
        with covered_by_pretrained_weights(self):
            super().init_weights()
        if fresh and self.teacher is not None:
            update_teacher(self.teacher, unwrap(self.segmentor), momentum=0)

    def prepare_start(
        self, state_dict: dict, new_parts: Sequence[str] = ()
    ) -> None:
        """Let a training begin with the weights of another, in place.

        Args:
            state_dict: Tensors by name; what this model needs is added.
            new_parts: What starts anew, see ``start_from``.
        """
        start_from(self, state_dict, new_parts)

    def train(self, mode: bool = True) -> 'BaseUDA':
        """Set the mode of all parts but the teacher, which never trains."""
        super().train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self

    @abstractmethod
    def training_step(
        self, inputs: dict[str, Tensor], data_samples: dict[str, SampleList]
    ) -> Iterator[tuple[str, Losses]]:
        """One iteration as the sequence of losses that are backpropagated.

        No forward pass of a later loss may need the graph of an earlier one.

        Args:
            inputs: (N, 3, H, W) normalised images by domain.
            data_samples: Samples by domain; the source's hold labels.

        Yields:
            Name of the player whose gradients count, and its losses by name.
            Values whose name contains "loss" are summed and backpropagated,
            the others are logged only.
        """

    def train_step(
        self,
        data: dict,
        optim_wrapper: OptimWrapper | OptimWrapperDict,
    ) -> dict[str, Tensor]:
        """Run :meth:`training_step` and step each player once.

        Args:
            data: A batch of a ``DomainDataset``.
            optim_wrapper: Optimizer wrappers by player.

        Returns:
            Every loss of every player by name, for logging: the mean of all
            processes.

        Raises:
            ConfigError: Images are padded and the method doesn't allow it,
                or are not stacked by domain.
        """
        data = self.data_preprocessor(data, True)
        check_stacked(data, self.data_preprocessor)
        self.valid = {
            domain: valid_pixels(images, data['data_samples'][domain])
            for domain, images in data['inputs'].items()
        }
        self._check_padding()
        with averaging_over(self.average_over):
            logs = self._run_steps(data, optim_wrapper)
        self.valid = {}
        logs = mean_of_processes(logs)
        self._warn_without_labels(logs)
        return logs

    def _run_steps(
        self, data: dict, optim_wrapper: OptimWrapper | OptimWrapperDict
    ) -> dict[str, Tensor]:
        update = SequentialUpdate(self, optim_wrapper)
        steps = self.training_step(data['inputs'], data['data_samples'])
        logs: dict[str, Tensor] = {}
        totals: dict[str, Tensor] = {}
        while True:
            with update.forward_context():
                player, losses = next(steps, (None, None))
            if player is None:
                break
            total, values = self.parse_losses(losses)
            update.backward(player, total)
            totals[player] = totals.get(player, 0) + total.detach()
            logs |= {k: v.detach() for k, v in values.items() if k != 'loss'}
            del losses, total, values
        update.step()
        return add_prefix(totals, 'loss') | logs

    def _warn_without_labels(self, logs: dict[str, Tensor]) -> None:
        """Say once for each loss that a batch has nothing to learn from."""
        for name, value in logs.items():
            if 'acc_seg' not in name or name in self._without_labels:
                continue
            if value.isnan():
                self._without_labels.add(name)
                print_log(
                    f'Iteration {current_iteration() + 1}: all pixels of the '
                    f'batch are ignored, none has a label ({name} is nan); '
                    'later ones like it are not reported',
                    'current',
                    logging.WARNING,
                )

    def _check_padding(self) -> None:
        for domain, valid in self.valid.items():
            if valid is not None and not self.allows_padding:
                raise ConfigError(
                    f"images of domain '{domain}' have unequal sizes or are "
                    f'padded, and {type(self).__name__} would learn from the '
                    'padding: crop or resize all images of a domain to one '
                    'size in its pipeline (and leave size and size_divisor '
                    'of model.data_preprocessor as they are by default)'
                )

    def loss_on_source(
        self,
        inputs: dict[str, Tensor],
        data_samples: dict[str, SampleList],
    ) -> tuple[Losses, Logits]:
        """Supervised losses on the source.

        Args:
            inputs: Images by domain.
            data_samples: Samples by domain.

        Returns:
            Losses named ``source.<head>.<loss>`` and the detached logits by
            head, at the network's resolution.
        """
        logits = self.segmentor(inputs[SOURCE])
        losses = unwrap(self.segmentor).loss_from_logits(
            logits, data_samples[SOURCE]
        )
        return add_prefix(losses, SOURCE), detach(logits)

    def upsample(self, logits: Tensor, images: Tensor) -> Tensor:
        """Resize logits (N, C, h, w) to the size of the images."""
        return resize(
            logits,
            size=images.shape[2:],
            mode='bilinear',
            align_corners=self.align_corners,
            warning=False,
        )

    def upsample_heads(
        self, logits: Logits, heads: Sequence[str], images: Tensor
    ) -> Logits:
        """Resize the logits of the named heads to the size of the images."""
        return {
            head: self.upsample(logits[head], images)
            for head in dict.fromkeys(heads)
        }

    def touch_unused(self, logits: Logits, used: Sequence[str]) -> Losses:
        """Losses of value zero for heads that a step does not use.

        Args:
            logits: Logits of the heads that ran.
            used: Heads that have a loss in this step.

        Returns:
            At most one loss; none without DDP.
        """
        return zero_loss(self.segmentor, logits, used)

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
        return unwrap(self.segmentor).align_corners

    @property
    def num_classes(self) -> int:
        """Number of classes of the main head."""
        return unwrap(self.segmentor).num_classes

    @property
    def out_channels(self) -> int:
        """Output channels of the main head."""
        return unwrap(self.segmentor).out_channels

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Features of the predictor's backbone and neck."""
        return self.predictor.extract_feat(inputs)

    def encode_decode(
        self, inputs: Tensor, batch_data_samples: list[dict]
    ) -> Tensor:
        """Logits of the predictor, (N, C, H, W)."""
        return self.predictor.encode_decode(inputs, batch_data_samples)

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
    ) -> Logits:
        return getattr(self, self.predict_on)(inputs, data_samples)

    def loss(self, inputs: Tensor, data_samples: SampleList) -> dict:
        """Refuse: a UDA method trains by several steps, not by one loss."""
        raise ConfigError(
            f'{type(self).__name__} is trained through train_step(); under '
            "several processes use model_wrapper_cfg=dict(type='"
            "UDADistributedDataParallel')"
        )

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        fit_state_dict(state_dict, prefix, self)
        super()._load_from_state_dict(state_dict, prefix, *args)
