# Copyright (c) mmuda authors.
"""A picture of how training goes."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from mmengine.runner import Runner

from mmuda.engine.history import all_values, is_drawn
from mmuda.registry import HOOKS
from mmuda.utils.files import atomic_path, logs_may_fail

_VAL_ITERATIONS = 'val_iterations'
_POINTS = 500
Curve = tuple[np.ndarray, np.ndarray]


@HOOKS.register_module()
class TrainingCurveHook(Hook):
    """Draw losses, shares and validation mIoU into ``curves.png``.

    The values are those of the log; they are saved with the checkpoints, so
    a resumed run draws the whole curve.

    Args:
        interval: Iterations between two drawings; one more at the end.
    """

    # Before the checkpoint, which shall hold the iteration of a validation.
    priority = 'LOW'

    def __init__(self, interval: int = 2000) -> None:
        self.interval = interval

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Draw now and then."""
        if self.every_n_train_iters(runner, self.interval):
            self._draw(runner)

    def after_val_epoch(
        self, runner: Runner, metrics: dict | None = None
    ) -> None:
        """Note the iteration, which the log's values do not hold."""
        known = runner.message_hub.get_info(_VAL_ITERATIONS, [])
        runner.message_hub.update_info(_VAL_ITERATIONS, [*known, runner.iter])

    def after_train(self, runner: Runner) -> None:
        """Draw the whole run."""
        self._draw(runner)

    @master_only
    def _draw(self, runner: Runner) -> None:
        # Matplotlib's parser keeps errors that it has handled, with all frames
        # that led to them. In a thread none of these holds a batch, which
        # would stay in shared memory.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(_write_curves, runner).result()


def _write_curves(runner: Runner) -> None:
    hub = runner.message_hub
    curves = loss_curves(hub), miou_curves(hub), share_curves(hub)
    figure = draw_curves(*curves)
    path = Path(runner.work_dir, 'curves.png')
    with logs_may_fail(), atomic_path(path) as temporary:
        figure.savefig(temporary)


def loss_curves(hub: MessageHub) -> dict[str, Curve]:
    """Losses by name: iterations and means over stretches of iterations.

    Args:
        hub: Holds a value for each of the last iterations of training, and
            means of those before.
    """
    return {k: v for k, v in _curves(hub).items() if 'loss' in k}


def share_curves(hub: MessageHub) -> dict[str, Curve]:
    """Shares by name in percent, such as that of sure pixels; as losses."""
    return {
        name: (iterations, 100 * values)
        for name, (iterations, values) in _curves(hub).items()
        if 'loss' not in name
    }


def _curves(hub: MessageHub) -> dict[str, Curve]:
    found = {
        name.removeprefix('train/'): all_values(hub, name)
        for name in hub.log_scalars
        if name.startswith('train/') and is_drawn(name)
    }
    total = max(map(len, found.values()), default=0)
    curves = {}
    for name, values in found.items():
        # Losses of the adaptation start after the warm-up.
        last = np.arange(total - len(values), total) + 1
        parts = min(_POINTS, len(values))
        curves[name] = (
            np.array([x[-1] for x in np.array_split(last, parts)]),
            np.array([y.mean() for y in np.array_split(values, parts)]),
        )
    return curves


def miou_curves(hub: MessageHub) -> dict[str, Curve]:
    """Validation mIoU by name: iterations and values in percent.

    Args:
        hub: Holds the values and, as information, their iterations.
    """
    iterations = np.asarray(hub.get_info(_VAL_ITERATIONS, []))
    curves = {}
    for name, buffer in hub.log_scalars.items():
        if name.startswith('val/') and 'mIoU' in name:
            values = np.asarray(buffer.data[0], dtype=float)
            # A run that began without this hook has values from before.
            count = min(len(values), len(iterations))
            curves[name.removeprefix('val/')] = (
                iterations[len(iterations) - count :],
                values[len(values) - count :],
            )
    return curves


def draw_curves(
    losses: dict[str, Curve],
    mious: dict[str, Curve],
    shares: dict[str, Curve] | None = None,
) -> Figure:
    """Draw the losses on a logarithmic scale above mIoU and shares.

    Args:
        losses: Iterations and values by name.
        mious: Iterations and values in percent by name.
        shares: The same.
    """
    figure = Figure(figsize=(10, 8), layout='constrained')
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, sharex=True)
    upper.set(ylabel='loss', yscale='log')
    label = 'mIoU, shares [%]' if shares else 'mIoU [%]'
    lower.set(ylabel=label, xlabel='iteration')
    for axes, curves, marker in (
        (upper, losses, '.'),
        (lower, mious, '.'),
        (lower, shares or {}, ''),
    ):
        for name, (iterations, values) in curves.items():
            axes.plot(iterations, values, label=name, marker=marker)
        if curves:
            axes.legend(fontsize='small')
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
    return figure
