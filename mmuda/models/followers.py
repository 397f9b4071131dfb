# Copyright (c) mmuda authors.
"""Followers: networks that are never trained themselves.

A teacher is the average of a trained network, a frozen encoder stays as its
pretraining left it. mmengine's averaged models are not used: they put
``module.`` into the names of a checkpoint and keep a count of their own.
Nothing here is of segmentation.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from mmengine.dist import broadcast
from mmengine.model import BaseModel, BaseModule
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmuda.models.loading import fit_state_dict, start_from
from mmuda.models.method_checks import check_choice
from mmuda.models.moving_average import (
    OPTIONS,
    AverageOptions,
    Buffers,
    check_options,
    update_teacher,
)
from mmuda.models.players import unwrap
from mmuda.models.pretrained import (
    covered_by_pretrained_weights,
    tell_random_start,
)
from mmuda.models.trained import THE_CHECKPOINT
from mmuda.utils.checks import Check
from mmuda.utils.errors import ConfigError

TEACHER = 'teacher'
Mode = Literal['eval', 'batch_statistics', 'own_statistics']
_KNOWN = ('mode', *OPTIONS)


class TeacherOptions(AverageOptions, total=False):
    """What a model or a term says of its teacher."""

    mode: Mode


#: The same, and nothing else.
Teacher = Annotated[
    TeacherOptions,
    Check(f'takes {", ".join(_KNOWN)} only', lambda v: {*v} <= {*_KNOWN}),
]


@dataclass(frozen=True)
class Follower:
    """How a network of a model is kept that is never trained.

    Attributes:
        of: Part of the model that it starts as, such as ``segmentor`` or
            ``segmentor.backbone``.
        mode: Its mode while the model trains: that of testing, or one in
            which norms take the batch's statistics, still without dropout:
            ``batch_statistics``, which does not count them, or
            ``own_statistics``, which counts them into running ones of its
            own, as the teachers of DACS, DAFormer, HRDA and MIC do.
        saved: Whether checkpoints hold it. One that is not saved is, in each
            run, what its part is initialised to.
    """

    of: str
    mode: Mode = 'eval'
    saved: bool = True


def add_follower(model: BaseModel, name: str, follower: Follower) -> None:
    """Give a model a network that is never trained.

    It is no player: no optimizer holds it, no distributed wrapper. Copied,
    since building it anew would draw random numbers, and other parts would
    start from other weights than without it. What nothing ever trains
    (``frozen_parts`` of a module, as of ``ReinBackbone``) it shares.

    Args:
        model: Has a dict ``followers`` by name.
        name: Of the child; one of this name that is kept alike is shared.
        follower: How it is kept.

    Raises:
        ConfigError: The mode is unknown, or a part of the model has the name.
    """
    check_choice(f'{name}.mode', follower.mode, Mode)
    if model.followers.get(name) == follower:
        return
    if hasattr(model, name):
        raise ConfigError(
            f"{type(model).__name__} has a '{name}' already, "
            f'{model.followers.get(name, "no follower")}; call the '
            'follower otherwise'
        )
    part = part_of(model, follower.of)
    shared = [
        frozen
        for module in part.modules()
        for frozen in getattr(module, 'frozen_parts', ())
    ]
    # What deepcopy has in its memo counts as copied.
    memo = {id(frozen): frozen for frozen in shared}
    network: BaseModule = copy.deepcopy(part, memo)
    network.requires_grad_(False).eval()
    # For mmengine: it gets the weights of its part, not some of its own.
    network.is_init = True
    initialised = {m for frozen in shared for m in frozen.modules()}
    for module in network.modules():
        if module not in initialised:
            module.init_cfg = None
    if follower.mode == 'batch_statistics':
        for module in network.modules():
            if isinstance(module, _BatchNorm):
                # In training the batch's count, in testing the running ones.
                module.track_running_stats = False
    model.add_module(name, network)
    model.followers[name] = follower


def check_statistics(
    mode: Mode, buffers: Buffers, place: str = TEACHER
) -> None:
    """Refuse a teacher whose running statistics would be of no one.

    Args:
        mode: Of the teacher.
        buffers: What its updates do with them.
        place: Of its options in the model, for the message.

    Raises:
        ConfigError: It counts some that updates overwrite, or keeps some
            that it never counts.
    """
    if (mode == 'own_statistics') != (buffers == 'keep'):
        raise ConfigError(
            f'model.{place}: mode={mode!r} does not go with buffers='
            f"{buffers!r} of MeanTeacherHook; 'own_statistics' and 'keep' "
            'belong together'
        )


def part_of(model: nn.Module, path: str) -> nn.Module:
    """A part of a model, whatever distributed wrappers it is in.

    Args:
        model: The model.
        path: Names of children, joined by dots.
    """
    for name in path.split('.'):
        model = unwrap(getattr(unwrap(model), name))
    return model


def start_followers(model: BaseModel) -> None:
    """Let all followers be what their parts are, in each process alike."""
    for name, follower in model.followers.items():
        network = getattr(model, name)
        update_teacher(network, part_of(model, follower.of), momentum=0)
        if not follower.saved:
            # mmengine makes alike what is in the state of a model.
            for tensor in (*network.parameters(), *network.buffers()):
                # Not the parameter: of one in channels_last mmengine makes
                # a plain tensor, which it can't copy back into another type.
                broadcast(tensor.detach())


def tell_random_starts(model: BaseModel) -> None:
    """Warn of networks that stay at random weights in each run."""
    for name, follower in model.followers.items():
        parts: list[nn.Module] = [model]
        for child in follower.of.split('.'):
            parts.append(part_of(parts[-1], child))
        if not follower.saved:
            tell_random_start(parts, f'model.{follower.of}', name)


def set_modes(model: BaseModel) -> None:
    """Give followers their own modes after those of the model were set."""
    for name, follower in model.followers.items():
        network = getattr(model, name)
        own = model.training and follower.mode != 'eval'
        network.train(own)
        for module in network.modules() if own else ():
            module.training &= isinstance(module, _BatchNorm)


def _forget_unsaved(
    model: BaseModel, state_dict: dict, prefix: str, *_: Any
) -> None:
    """Leave out of a state what is not saved, in place."""
    for name in _unsaved(model):
        start = f'{prefix}{name}.'
        for key in [key for key in state_dict if key.startswith(start)]:
            del state_dict[key]


def keep_unsaved(model: BaseModel, state_dict: dict, prefix: str) -> None:
    """Let what is not saved stay as it is when a state is loaded, in place."""
    for name in _unsaved(model):
        for key, value in getattr(model, name).state_dict().items():
            state_dict[f'{prefix}{name}.{key}'] = value


def _unsaved(model: BaseModel) -> list[str]:
    return [name for name, kept in model.followers.items() if not kept.saved]


class FollowersMixin(BaseModel):
    """A model that may have networks which are never trained.

    A ``teacher`` is the moving average of the main player, and
    ``MeanTeacherHook`` updates it; terms may have teachers of their own. More
    may be added, see :func:`add_follower`. Each has its own mode and is saved
    or not, and checkpoints of a training without them still fit.

    Attributes:
        main: Name of the main player, as of ``PlayersMixin``.
        network_type: Class of networks that predict: the main player and its
            like, which a checkpoint must cover. Others may start anew.
        followers: How networks are kept that are never trained, by name.
        teacher: A network as the main player, or None.
        teachers: Options of the hooks that update the followers which are
            teachers, by name.
        predict_on: The network that validation and testing use.
        further_hooks: Types of hooks that a method needs, but a teacher's.
        loading_from: Name of what it is filled from, for messages.
    """

    main: str
    network_type: type[nn.Module] = BaseModel
    followers: dict[str, Follower]
    teacher: Any
    teachers: dict[str, dict[str, Any]]
    predict_on: str
    _mode_is_chosen = False
    further_hooks: tuple[str, ...] = ()
    loading_from = THE_CHECKPOINT

    def prepare_followers(
        self,
        teacher: bool | Mapping[str, Any] = False,
        predict_on: str | None = None,
    ) -> None:
        """Get a teacher or none, in ``__init__``, once the main player is.

        Args:
            teacher: Whether; or options of ``MeanTeacherHook``, and ``mode``
                of a :class:`Follower`.
            predict_on: ``teacher``, or the main player.

        Raises:
            ConfigError: An option or the network is unknown, or is a teacher
                that the model does not have.
        """
        self.followers, self.teachers = {}, {}
        self._register_state_dict_hook(_forget_unsaved)
        if predict_on is None:
            predict_on = self.main
        self.predict_on = check_choice(
            'predict_on', predict_on, (self.main, TEACHER)
        )
        if predict_on == TEACHER and not teacher:
            raise ConfigError(
                "model.predict_on='teacher' needs model.teacher=True, or a "
                'dict of its options (mode, '
                f'{", ".join(OPTIONS)}); a term gives one too late'
            )
        self.teacher = None
        if teacher is not False and teacher is not None:
            self.add_teacher({} if teacher is True else teacher)

    def add_teacher(
        self,
        options: Mapping[str, Any],
        name: str = TEACHER,
        place: str = TEACHER,
    ) -> None:
        """Get a teacher; a term may give one to a model that has none.

        Args:
            options: Of ``MeanTeacherHook``, and ``mode`` of a
                :class:`Follower`.
            name: Of the child; another than ``teacher`` for one that a term
                has for itself.
            place: Of the options in the model, for messages.

        Raises:
            ConfigError: An option is unknown or out of its range.
        """
        options = dict(options)
        chosen = 'mode' in options
        mode = options.pop('mode', 'eval')
        check_choice(f'{place}.mode', mode, Mode)
        if mode == 'own_statistics':
            options.setdefault('buffers', 'keep')
        for key in options:
            if key not in OPTIONS:
                raise ConfigError(
                    f"model.{place}: there is no '{key}', only mode, "
                    f'{", ".join(OPTIONS)}'
                )
        check_options(options, f'model.{place}')
        check_statistics(mode, options.get('buffers', 'copy'), place)
        self.teachers[name] = options
        if name == TEACHER:
            self._mode_is_chosen = chosen
            # A module takes the place of the None.
            del self.teacher
        add_follower(self, name, Follower(self.main, mode))

    def let_teacher_count(self) -> None:
        """Give a teacher statistics of its own where no option says else.

        Raises:
            ConfigError: Options say what its updates do with its statistics.
        """
        if self._mode_is_chosen:
            return
        options = self.teachers[TEACHER]
        options.setdefault('buffers', 'keep')
        check_statistics('own_statistics', options['buffers'])
        self.followers[TEACHER] = Follower(self.main, 'own_statistics')

    def init_weights(self) -> None:
        """Initialise all parts; followers start as theirs."""
        fresh = not self.is_init
        tell_random_starts(self)
        with covered_by_pretrained_weights(self):
            super().init_weights()
        if fresh:
            start_followers(self)

    def prepare_start(
        self, state_dict: dict, new_parts: Sequence[str] = ()
    ) -> None:
        """Make weights of another training fit; see ``start_from``."""
        start_from(self, state_dict, new_parts)

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        fit_state_dict(state_dict, prefix, self)
        keep_unsaved(self, state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def train(self, mode: bool = True) -> 'FollowersMixin':
        """Set the mode of all parts; followers have their own."""
        super().train(mode)
        set_modes(self)
        return self

    @property
    def needed_hooks(self) -> list[dict]:
        """Configs of hooks without which training would not be right.

        ``UDATrainLoop`` adds those that a config does not name.
        """
        hooks: list[dict] = []
        for name, options in self.teachers.items():
            which = {} if name == TEACHER else dict(teacher=name)
            hooks.append(dict(type='MeanTeacherHook', **which, **options))
        return hooks + [dict(type=name) for name in self.further_hooks]

    @property
    def predictor(self) -> BaseModel:
        """The network that validation and testing use."""
        return unwrap(getattr(self, self.predict_on))
