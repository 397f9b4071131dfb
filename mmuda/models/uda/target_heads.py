# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""What methods with heads for each target share."""

from collections.abc import Iterable, Sequence

from mmengine.model import is_model_wrapper
from torch import nn

from mmuda.models.wrappers import unwrap
from mmuda.utils.errors import ConfigError

from .domains import Logits, Losses

DECODE = 'decode'


def head_of(target: str) -> str:
    """Name of a target's own main head."""
    return f'{target}.{DECODE}'


def check_target_heads(segmentor: nn.Module, targets: Sequence[str]) -> None:
    """Refuse a segmentor with heads of other targets.

    Args:
        segmentor: Of a method; ought to be a ``MultiHeadEncoderDecoder``.
        targets: Names of the method's targets.

    Raises:
        ConfigError: It has no target heads, or those of other targets.
    """
    found = list(getattr(segmentor, 'target_heads', {}))
    # In one order, since that of the ensemble head's input is the targets'.
    if found != list(targets):
        raise ConfigError(
            f'model.targets is {list(targets)}, but model.segmentor.targets '
            f'{found}; take a MultiHeadEncoderDecoder with the same targets '
            'in the same order'
        )


def check_levels(
    segmentor: nn.Module, target: str, name: str, levels: Iterable[str]
) -> None:
    """Refuse weights of heads that targets do not have.

    Args:
        segmentor: A ``MultiHeadEncoderDecoder``.
        target: Any target.
        name: Config key of the weights.
        levels: ``decode`` or ``aux``.

    Raises:
        ConfigError: A level is unknown.
    """
    known = segmentor.target_heads[target]
    for level in levels:
        if level not in known:
            raise ConfigError(
                f"model.{name}: the targets have no head '{level}' (they "
                f'have {list(known)})'
            )


def levels_of(logits: Logits, target: str) -> Logits:
    """Logits of a target's own heads by level instead of by name."""
    prefix = f'{target}.'
    return {
        name.removeprefix(prefix): values
        for name, values in logits.items()
        if name.startswith(prefix)
    }


def drop_gradients(segmentor: nn.Module, heads: Iterable[str]) -> None:
    """Leave heads as they are that had no loss in a whole iteration.

    Under DDP ``touch_unused`` gives them gradients of zero, by
    which an optimizer would still decay their weights.

    Args:
        segmentor: A ``MultiHeadEncoderDecoder``, with or without a
            distributed wrapper.
        heads: Names of the heads.
    """
    known = unwrap(segmentor).heads()
    for name in heads:
        for parameter in known[name].parameters():
            parameter.grad = None


def zero_loss(
    segmentor: nn.Module, logits: Logits, used: Iterable[str]
) -> Losses:
    """A loss of value zero on all that a step does not train.

    Under DDP each trained parameter needs a gradient in each backward pass.
    Heads that ran without a loss give one to the part of the backbone that
    feeds only them; heads that did not run give one to themselves.

    Args:
        segmentor: With or without a distributed wrapper.
        logits: Logits of the heads that ran.
        used: Names of the heads that have a loss in this step.

    Returns:
        At most one loss; none without DDP.
    """
    if not is_model_wrapper(segmentor):
        return {}
    used = set(used)
    idle = [values for name, values in logits.items() if name not in used]
    for name, head in unwrap(segmentor).heads().items():
        if name not in logits:
            idle += [p for p in head.parameters() if p.requires_grad]
    return (
        {'loss_unused': sum(0 * part.sum() for part in idle)} if idle else {}
    )
