# Copyright (c) mmuda authors.
"""What is kept of logged values while a training goes on.

mmengine keeps each value of each scalar for a million iterations, copies all
of them for each new one and saves them with each checkpoint.
"""

from collections.abc import Collection, Mapping

import numpy as np
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.runner import LogProcessor

from mmuda.utils.names import SHARES

THINNED = 'thinned_losses'
_POINTS = 1024


def bound_history(
    hub: MessageHub, length: int = 256, whole: Collection[str] = ()
) -> None:
    """Forget logged values of long ago.

    To be called before an iteration. What is left does not depend on whether
    a run was resumed. Of what is drawn means over stretches of iterations are
    left, see :func:`all_values`. The metrics of validations are kept.

    Args:
        hub: Holds the values.
        length: At least so many of the last values of a scalar are kept, at
            most about twice as many.
        whole: Scalars to keep as they are.
    """
    thinned = hub.get_info(THINNED) or {}
    for name, buffer in hub.log_scalars.items():
        values, counts = buffer.data
        if len(values) < 2 * length or name in whole or not _grows(name):
            continue
        dropped = len(values) - length
        if name.startswith('train/') and is_drawn(name):
            thinned[name], dropped = _thin(thinned.get(name), values[:dropped])
            hub.update_info(THINNED, thinned)
        hub.log_scalars[name] = HistoryBuffer(
            values[dropped:], counts[dropped:]
        )


def kept_for_log(processor: LogProcessor) -> tuple[int, set[str]]:
    """What a log needs of the values.

    Args:
        processor: That of the run.

    Returns:
        How many values its means are of, and the scalars that it averages
        over the whole run.
    """
    sizes, whole = [processor.window_size], set()
    for config in processor.custom_cfg:
        size = config.get('window_size')
        if size == 'global':
            source = config['data_src'].removeprefix('train/')
            whole.add(f'train/{source}')
        elif isinstance(size, int):
            sizes.append(size)
    return max(sizes), whole


def is_drawn(name: str) -> bool:
    """Whether a logged value is a loss or a share, which has a curve."""
    return 'loss' in name or name.endswith(SHARES)


def all_values(hub: MessageHub, name: str) -> np.ndarray:
    """Values of what is drawn, one for each iteration in which it was logged.

    Args:
        hub: Holds the last values, and means of those before.
        name: Such as ``train/loss.segmentor``.

    Returns:
        (K,) values; a mean stands in the place of each that it is of.
    """
    last = np.asarray(hub.get_scalar(name).data[0], dtype=float)
    thinned = (hub.get_info(THINNED) or {}).get(name)
    if thinned is None:
        return last
    means = np.asarray(thinned['means'], dtype=float)
    return np.concatenate([means.repeat(thinned['stride']), last])


def _grows(name: str) -> bool:
    """Whether a scalar has a value for each iteration or batch."""
    return name.startswith('train/') or name.endswith('time')


def _thin(thinned: Mapping | None, values: np.ndarray) -> tuple[dict, int]:
    """Add the means of further values.

    Returns:
        ``means``, each of ``stride`` values, and how many values were added;
        less than a stride is left over.
    """
    means = list(thinned['means']) if thinned else []
    stride = thinned['stride'] if thinned else 1
    added = 0
    while len(means) + (len(values) - added) // stride > _POINTS:
        if len(means) % 2:
            if len(values) - added < stride:
                break
            means += _averaged(values[added : added + stride], stride)
            added += stride
        means, stride = _averaged(means, 2), 2 * stride
    rest = (len(values) - added) // stride * stride
    means += _averaged(values[added : added + rest], stride)
    return dict(stride=stride, means=means), added + rest


def _averaged(values, stride: int) -> list[float]:
    return np.asarray(values, dtype=float).reshape(-1, stride).mean(1).tolist()
