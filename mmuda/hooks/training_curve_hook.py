# Copyright (c) mmuda authors. Licensed under Apache-2.0.
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

from mmuda.engine.history import all_values
from mmuda.registry import HOOKS
from mmuda.utils.files import atomic_path, logs_may_fail

_VAL_ITERATIONS = 'val_iterations'
_POINTS = 500
Curve = tuple[np.ndarray, np.ndarray]


@HOOKS.register_module()
class TrainingCurveHook(Hook):
    """Draw losses and validation mIoU into ``curves.png``.

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
    figure = draw_curves(
        loss_curves(runner.message_hub), miou_curves(runner.message_hub)
    )
    path = Path(runner.work_dir, 'curves.png')
    with logs_may_fail(), atomic_path(path) as temporary:
        figure.savefig(temporary)


def loss_curves(hub: MessageHub) -> dict[str, Curve]:
    """Losses by name: iterations and means over stretches of iterations.

    Args:
        hub: Holds a value for each of the last iterations of training, and
            means of those before.
    """
    losses = {
        name.removeprefix('train/'): all_values(hub, name)
        for name in hub.log_scalars
        if name.startswith('train/') and 'loss' in name
    }
    total = max(map(len, losses.values()), default=0)
    curves = {}
    for name, values in losses.items():
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


def draw_curves(losses: dict[str, Curve], mious: dict[str, Curve]) -> Figure:
    """Draw the losses on a logarithmic scale above the mIoU.

    Args:
        losses: Iterations and values by name.
        mious: Iterations and values in percent by name.
    """
    figure = Figure(figsize=(10, 8), layout='constrained')
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, sharex=True)
    upper.set(ylabel='loss', yscale='log')
    lower.set(ylabel='mIoU [%]', xlabel='iteration')
    for axes, curves in ((upper, losses), (lower, mious)):
        for name, (iterations, values) in curves.items():
            axes.plot(iterations, values, label=name, marker='.')
        if curves:
            axes.legend(fontsize='small')
        axes.grid(alpha=0.3)
    return figure
