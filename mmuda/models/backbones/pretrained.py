# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Loading ImageNet weights that must cover the whole backbone."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.runner import CheckpointLoader
from torch import Tensor

from mmuda.utils.errors import CheckpointError
from mmuda.utils.text import join_some

_COUNTER = 'num_batches_tracked'


def strip_common_prefix(
    state_dict: Mapping[str, Tensor], own_names: set[str]
) -> dict[str, Tensor]:
    """Drop wrapper names that stand before the backbone's own names.

    Published files hold ``Scale.conv1.weight`` or ``module.features.0.bias``.
    A first component is dropped while every name has it and the backbone has
    no part called so.

    Args:
        state_dict: Tensors by name.
        own_names: First components of the backbone's own names.
    """
    named = dict(state_dict)
    while named:
        first = {name.split('.', 1)[0] for name in named}
        if len(first) > 1 or first & own_names:
            break
        if not all('.' in name for name in named):
            break
        named = {name.split('.', 1)[1]: t for name, t in named.items()}
    return named


def select_covering(
    state_dict: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    ignored: Sequence[str],
    optional: Sequence[str],
    path: str,
) -> dict[str, Tensor]:
    """Take from ``state_dict`` exactly the tensors that a backbone needs.

    Args:
        state_dict: Tensors of the file, names as in the backbone.
        expected: The backbone's own state dict.
        ignored: Prefixes of names that are not the backbone's (classifiers).
        optional: Prefixes of names that the file may lack.
        path: The file, for messages.

    Raises:
        CheckpointError: If a tensor is missing, unknown or of another shape.
    """
    named = {
        name: tensor
        for name, tensor in state_dict.items()
        if not name.startswith(tuple(ignored))
    }
    problems = _misfits(named, expected, optional)
    if problems:
        raise CheckpointError(
            f'{path} does not fit the backbone: {"; ".join(problems)}.'
            ' Pass weights of the same architecture in'
            " init_cfg=dict(type='Pretrained', checkpoint=...)."
        )
    return named


def _misfits(
    named: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    optional: Sequence[str],
) -> list[str]:
    missing = [
        name
        for name in expected
        if name not in named
        and not name.endswith(_COUNTER)
        and not name.startswith(tuple(optional))
    ]
    unknown = [name for name in named if name not in expected]
    reshaped = [
        f'{name} {tuple(tensor.shape)} for {tuple(expected[name].shape)}'
        for name, tensor in named.items()
        if name in expected and tensor.shape != expected[name].shape
    ]
    return [
        f'{len(names)} tensors {what} ({join_some(names)})'
        for what, names in (
            ('missing', missing),
            ('unknown', unknown),
            ('of another shape', reshaped),
        )
        if names
    ]


def _read_state_dict(cfg: Mapping[str, Any]) -> Mapping[str, Tensor]:
    path = cfg['checkpoint']
    try:
        checkpoint = CheckpointLoader.load_checkpoint(
            path, cfg.get('map_location', 'cpu')
        )
    except CheckpointError as error:
        raise CheckpointError(
            f'init_cfg.checkpoint of the backbone: {error}'
        ) from error
    except (KeyError, OSError) as error:
        raise CheckpointError(
            f'init_cfg.checkpoint of the backbone: no weights at {path} '
            f'({error}); give a file or another address'
        ) from error
    state_dict = checkpoint.get('state_dict', checkpoint)
    prefix = cfg.get('prefix')
    if prefix is None:
        return state_dict
    prefix = prefix.rstrip('.') + '.'
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in state_dict.items()
        if name.startswith(prefix)
    }


class CoveringPretrainedMixin:
    """Backbone whose ``Pretrained`` weights must fit it completely.

    mmengine's ``PretrainedInit`` only logs names that do not match, so that
    a wrong file leaves random weights behind. Put this before a
    ``BaseModule`` among the bases.
    """

    #: Prefixes of the file's names that belong to an ImageNet classifier.
    classifier_prefixes: tuple[str, ...] = ()
    #: Prefixes of the backbone's names that keep their initial value when
    #: the file lacks them.
    optional_prefixes: tuple[str, ...] = ()

    def init_weights(self) -> None:
        """Initialise by ``init_cfg``; ``Pretrained`` entries come last.

        Raises:
            CheckpointError: If a pretrained file is missing or does not
                cover the backbone.
        """
        init_cfg = self.init_cfg
        if self.is_init or not init_cfg:
            super().init_weights()
            return
        cfgs = [init_cfg] if isinstance(init_cfg, dict) else list(init_cfg)
        pretrained = [cfg for cfg in cfgs if cfg['type'] == 'Pretrained']
        self.init_cfg = [cfg for cfg in cfgs if cfg['type'] != 'Pretrained']
        super().init_weights()
        self.init_cfg = init_cfg
        for cfg in pretrained:
            self._load_pretrained(cfg)

    def _load_pretrained(self, cfg: Mapping[str, Any]) -> None:
        own_names = {name for name, _ in self.named_children()}
        own_names.update(p.split('.')[0] for p in self.classifier_prefixes)
        covering = select_covering(
            strip_common_prefix(_read_state_dict(cfg), own_names),
            self.state_dict(),
            self.classifier_prefixes,
            self.optional_prefixes,
            cfg['checkpoint'],
        )
        self.load_state_dict(covering, strict=False)
