# Copyright (c) mmuda authors.
"""Weights of ``init_cfg=dict(type='Pretrained', ...)``, which must cover.

mmengine only logs tensors that do not fit, so that a wrong file leaves random
weights behind.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial as bind
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmengine.model.weight_init import PretrainedInit, update_init_info
from mmengine.registry import WEIGHT_INITIALIZERS as ROOT_INITIALIZERS
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import load_state_dict
from torch import Tensor, nn

from mmuda.registry import WEIGHT_INITIALIZERS
from mmuda.utils.compat import load_checkpoint_file
from mmuda.utils.errors import CheckpointError, ConfigError
from mmuda.utils.installed_files import PREFIX as INSTALLED
from mmuda.utils.text import join_some
from mmuda.utils.weights import (
    check_finite,
    fitting,
    misfits,
    tell_conversion,
)

# Of ImageNet files; "layer5" is that of the published DeepLab.
_CLASSIFIERS = ('fc', 'head', 'classifier', 'layer5')
_NESTED_UNDER = ('state_dict', 'model')
_NO_PREFIX = 'this class reads it itself and takes no prefix'
Partial = bool | Sequence[str]


@runtime_checkable
class PublishedNames(Protocol):
    """A module whose published weights have other names."""

    def named_as_here(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Give tensors the names of the module, and leave others out."""


# mmengine builds initializers of modules outside mmuda by its own registry.
@ROOT_INITIALIZERS.register_module('Pretrained', force=True)
@WEIGHT_INITIALIZERS.register_module('Pretrained')
class CoveringPretrainedInit(PretrainedInit):
    """Load weights that cover a module, or refuse them.

    A classifier in the file (``fc``, ``head``, ``classifier``, ``layer5``)
    is left out, and so are wrappers before all names (``module.``,
    ``Scale.``). Integer buffers may be missing. A module whose published
    files have other names says those that it needs (``named_as_here``).

    Args:
        checkpoint: File or address (``https://``, or ``package://`` for a
            file of an installed package).
        prefix: Take only what has this prefix in the file, without it.
        map_location: As of ``torch.load``.
        partial: Prefixes of the module's names that keep their initial value
            where the file lacks them or has another shape, and of names in
            the file that are left out; True is all. At least one tensor must
            fit.

    Raises:
        ConfigError: ``partial`` is no list of prefixes.
        CheckpointError: The file is missing, or does not cover the module;
            in a call.
    """

    def __init__(
        self,
        checkpoint: str,
        prefix: str | None = None,
        map_location: str = 'cpu',
        partial: Partial = (),
    ) -> None:
        super().__init__(checkpoint, prefix, map_location)
        self.partial = _prefixes(partial)

    def __call__(self, module: nn.Module) -> None:
        """Load the weights into a module."""
        kind = type(module).__name__
        print_log(f'{kind}: load {self.checkpoint}', 'current')
        expected = module.state_dict()
        stored = self._read(kind)
        if self.prefix is None:
            stored = _without_wrappers(stored, expected)
        if isinstance(module, PublishedNames):
            stored = module.named_as_here(stored)
        stored = _without_classifier(stored, expected)
        if hasattr(module, 'prepare_start'):
            method: BaseModel = module
            method.loading_from = self.checkpoint
            method.prepare_start(stored)
        check_coverage(stored, expected, self.partial, self.checkpoint, kind)
        # Together with its own values, so that mmengine finds nothing missing.
        whole = {**expected, **fitting(stored, expected)}
        load_state_dict(module, whole, strict=False, logger='current')
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=self._get_init_info())

    def _read(self, kind: str) -> Mapping[str, Any]:
        try:
            load = CheckpointLoader.load_checkpoint
            if self.checkpoint.startswith(INSTALLED):
                # mmengine knows no such address where no tool has told it.
                load = load_checkpoint_file
            state_dict = load(self.checkpoint, self.map_location)
        except CheckpointError as error:
            raise CheckpointError(
                f'init_cfg.checkpoint of {kind}: {error}'
            ) from error
        except (KeyError, OSError) as error:
            raise CheckpointError(
                f'init_cfg.checkpoint of {kind}: no weights at '
                f'{self.checkpoint} ({error}); give a file or another address'
            ) from error
        for key in _NESTED_UNDER:
            if isinstance(state_dict.get(key), Mapping):
                state_dict = state_dict[key]
        if not all(isinstance(name, str) for name in state_dict):
            raise CheckpointError(
                f'init_cfg.checkpoint of {kind}: {self.checkpoint} holds no '
                'tensors by name; give another file'
            )
        if self.prefix is None:
            return state_dict
        prefix = self.prefix.rstrip('.') + '.'
        return {
            name.removeprefix(prefix): tensor
            for name, tensor in state_dict.items()
            if name.startswith(prefix)
        }


def check_coverage(
    stored: Mapping[str, Any],
    expected: Mapping[str, Tensor],
    partial: Sequence[str],
    file: str,
    place: str,
    takes_prefix: bool = True,
) -> None:
    """Refuse weights that would leave a module's own at random.

    Args:
        stored: Tensors of the file, names as in the module.
        expected: State dict of the module.
        partial: Prefixes of names that need not fit; '' is all.
        file: Where they come from, for messages.
        place: The module, for messages.
        takes_prefix: Whether ``prefix`` of its ``init_cfg`` is read.

    Raises:
        CheckpointError: A tensor is missing, unknown, or of another shape or
            type, none fits at all, or one holds no numbers.
    """
    optional = {
        name
        for name in {*stored, *expected}
        if name.startswith(tuple(partial))
    }
    faults = misfits(stored, expected, optional)
    fits = fitting(stored, expected)
    if faults or not fits:
        reason = '; '.join(faults) or 'no tensor fits'
        hint = _part_hint(stored, expected, takes_prefix)
        raise CheckpointError(
            f'{file} does not fit {place}: {reason}.{hint} Give weights of '
            "the same architecture in init_cfg=dict(type='Pretrained', "
            'checkpoint=...), or list in partial=[...] the prefixes of names '
            'that need not fit'
        )
    check_finite(fits, file)
    tell_conversion(fits, expected, file)
    left = [
        name
        for name, tensor in expected.items()
        if name not in fits and tensor.is_floating_point()
    ]
    if left:
        print_log(
            f'{file} gives {len(fits)} tensors of {place}; {len(left)} '
            f'keep their initial values, as partial={list(partial)} allows: '
            f'{join_some(left)}',
            'current',
            logging.WARNING,
        )


@contextmanager
def covered_by_pretrained_weights(
    model: nn.Module, place: str = 'model'
) -> Iterator[None]:
    """See that each ``Pretrained`` of a model is read, and covers.

    In the block the model's ``init_weights`` runs. Some backbones of mmseg
    (ViT, Swin, BEiT, ...) read the file themselves; their weights are checked
    at the moment they are loaded.

    Args:
        model: Not initialised yet.
        place: Its key in the config, for messages.

    Raises:
        CheckpointError: A file is missing or does not cover its module.
        ConfigError: A module does not read the file that its config names.
    """
    if getattr(model, 'is_init', False):
        # Nothing is read a second time.
        yield
        return
    waiting: dict[str, nn.Module] = {}
    handles = []
    for name, module in model.named_modules():
        cfg = _pretrained_cfg(module)
        if cfg is None:
            continue
        name = f'{place}.{name}'.replace('.module.', '.').rstrip('.')
        _require_file(name, cfg)
        waiting[name] = module
        handles.append(
            module.register_load_state_dict_pre_hook(
                bind(_check_loading, name, cfg, waiting)
            )
        )
    try:
        with _lookup_errors(waiting):
            yield
    finally:
        for handle in handles:
            handle.remove()
    for name, module in waiting.items():
        raise ConfigError(
            f'{name}.init_cfg: {type(module).__name__} does not read '
            "type='Pretrained' here, and would train from other weights; "
            'leave it out, or give the weights as this class takes them'
        )


@contextmanager
def _lookup_errors(waiting: Mapping[str, nn.Module]) -> Iterator[None]:
    """Some backbones look up tensors of a file before they load any."""
    try:
        yield
    except KeyError as error:
        for name, module in waiting.items():
            file = (_pretrained_cfg(module) or {}).get('checkpoint')
            raise CheckpointError(
                f'{file} does not fit {name}: {type(module).__name__} misses '
                f'{error}; give weights of the same architecture, in a file '
                f'of their own, as {_NO_PREFIX}'
            ) from error
        raise


def _check_loading(
    name: str,
    cfg: Mapping[str, Any],
    waiting: dict[str, nn.Module],
    module: nn.Module,
    state_dict: dict[str, Any],
    prefix: str,
    *args: Any,
) -> None:
    """Check what is loaded into a module, not into one around it."""
    if prefix:
        return
    expected = module.state_dict()
    waiting.pop(name, None)
    stored = _without_classifier(state_dict, expected)
    partial = _prefixes(cfg.get('partial', ()))
    # Of a class that reads the file itself; all fits where mmengine does.
    check_coverage(
        stored,
        expected,
        partial,
        str(cfg['checkpoint']),
        name,
        takes_prefix=False,
    )
    fits = fitting(stored, expected)
    for other in [n for n in state_dict if n not in fits]:
        # PyTorch would refuse the shapes that ``partial`` allows.
        del state_dict[other]


def _pretrained_cfg(module: nn.Module) -> Mapping[str, Any] | None:
    cfgs = getattr(module, 'init_cfg', None) or ()
    for cfg in [cfgs] if isinstance(cfgs, Mapping) else cfgs:
        kind = cfg.get('type')
        if 'Pretrained' in str(getattr(kind, '__name__', kind)):
            return cfg
    return None


def tell_random_start(
    parts: Sequence[nn.Module], path: str, follower: str
) -> None:
    """Warn of weights that stay random in each run.

    Args:
        parts: From the model to the module whose weights they are; nothing
            is said where these are initialised.
        path: Key of the module in the config.
        follower: What keeps the weights, for the message.
    """
    seen = (*parts[:-1], *parts[-1].modules())
    if any(map(_pretrained_cfg, seen)) or any(
        getattr(part, 'is_init', False) for part in (parts[0], parts[-1])
    ):
        return
    print_log(
        f"{path}.init_cfg names no weights, so that '{follower}', which stays "
        "what it starts as, is random; set init_cfg=dict(type='Pretrained', "
        'checkpoint=...) there (load_from comes too late)',
        'current',
        logging.WARNING,
    )


def _require_file(name: str, cfg: Mapping[str, Any]) -> None:
    file = str(cfg.get('checkpoint') or '')
    if '://' not in file and not Path(file).expanduser().is_file():
        raise CheckpointError(
            f"{name}.init_cfg.checkpoint: '{file}' does not exist; see "
            f'docs/weights.md (random: --cfg-options {name}.init_cfg=None)'
        )


def _prefixes(partial: Partial) -> tuple[str, ...]:
    if isinstance(partial, bool):
        return ('',) if partial else ()
    if not isinstance(partial, list | tuple) or not all(
        isinstance(prefix, str) for prefix in partial
    ):
        raise ConfigError(
            f'init_cfg.partial={partial!r} must be a list of prefixes, or True'
        )
    return tuple(partial)


def _without_classifier(
    stored: Mapping[str, Any], expected: Mapping[str, Tensor]
) -> dict[str, Any]:
    own = {name.split('.')[0] for name in expected}
    return {
        name: tensor
        for name, tensor in stored.items()
        if name.split('.')[0] not in {*_CLASSIFIERS} - own
    }


def _without_wrappers(
    stored: Mapping[str, Any], expected: Mapping[str, Tensor]
) -> dict[str, Any]:
    """Drop wrappers that stand before all names, and add the module's own.

    Published files hold ``Scale.conv1.weight`` or ``module.features.0.bias``,
    and a module may hold all its parts in one, ``timm_model.conv1.weight``.
    """
    own = {name.split('.')[0] for name in expected}
    named = dict(stored)
    while named:
        first = {name.split('.')[0] for name in named}
        if len(first) > 1 or first & {*own, *_CLASSIFIERS}:
            break
        if not all('.' in name for name in named):
            break
        named = {name.split('.', 1)[1]: t for name, t in named.items()}
    (wrapper, *others) = sorted(own) or ['']
    if not others and all('.' in name for name in expected):
        inner = {name.split('.', 2)[1] for name in expected}
        if inner & {name.split('.')[0] for name in named}:
            return {f'{wrapper}.{name}': t for name, t in named.items()}
    return named


def _part_hint(
    stored: Mapping[str, Any],
    expected: Mapping[str, Tensor],
    takes_prefix: bool,
) -> str:
    """Name the part of a larger network in the file that would cover."""
    needed = [n for n, own in expected.items() if own.is_floating_point()]
    for name in stored:
        prefix = name.removesuffix(needed[0]) if needed else ''
        if prefix.endswith('.') and all(prefix + n in stored for n in needed):
            remedy = f"prefix='{prefix}'"
            if not takes_prefix:
                remedy = f'save it to a file of its own, as {_NO_PREFIX}'
            return f" Its part '{prefix}' has these names: {remedy}."
    return ''
