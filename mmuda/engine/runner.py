# Copyright (c) mmuda authors.
"""A runner whose files are whole, and whose logs may fail."""

import logging
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path

from mmengine.dist import master_only
from mmengine.logging import MMLogger, print_log
from mmengine.runner import Runner
from mmengine.visualization import Visualizer
from torch import nn

from mmuda.models.players import player_optim_wrappers, unwrap
from mmuda.registry import HOOKS, RUNNERS
from mmuda.utils.compilation import compile_network, compile_options
from mmuda.utils.config import config_text
from mmuda.utils.files import atomic_path, logs_may_fail, tell_log_error
from mmuda.utils.mixed_precision import lay_out, precision_of_config
from mmuda.utils.screen import hold_back

from .loops import trains


@RUNNERS.register_module()
class UDARunner(Runner):
    """mmengine's runner on a disk that may be full.

    The tools take it unless the config names a ``runner_type``. Where only
    logs are written (text, scalars, pictures of a training), it tells once
    what is wrong and goes on; the config is written whole or not at all.
    Until its work begins, the screen shows warnings and errors only, then a
    summary and all that follows; the file of the log holds everything.
    Arguments are those of ``Runner``.
    """

    def build_logger(self, *args, **kwargs) -> MMLogger:
        """Build the logger; its file may fail."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if isinstance(handler, logging.FileHandler):
                vars(handler)['handleError'] = _tell_current_error
        hold_back(logger)
        return logger

    def wrap_model(
        self, model_wrapper_cfg: dict | None, model: nn.Module
    ) -> nn.Module:
        """Lay out weights for the precision, and wrap as mmengine does."""
        lay_out(model, precision_of_config(self.cfg))
        return super().wrap_model(model_wrapper_cfg, model)

    def _maybe_compile(self, target: str) -> None:
        """Compile each player's network, if the config says ``compile``.

        mmengine compiles the whole training step, which falls into pieces
        wherever losses are logged and optimizers step, and takes minutes.
        """
        options = compile_options(self.cfg.get('compile'))
        if options is None:
            return
        players = list(player_optim_wrappers(self.optim_wrapper))
        for name in players:
            compile_network(unwrap(getattr(unwrap(self.model), name)), options)
        print_log(
            f'Compile {", ".join(players)}; the first iterations take long',
            'current',
        )

    def register_hooks(self, *args, **kwargs) -> None:
        """Register the hooks, and the one that tells what the run does."""
        super().register_hooks(*args, **kwargs)
        summary = HOOKS.get('RunSummaryHook')
        if not any(isinstance(hook, summary) for hook in self.hooks):
            self.register_hook(summary())

    def build_visualizer(self, *args, **kwargs) -> Visualizer:
        """Build the visualizer; its backends may fail."""
        visualizer = super().build_visualizer(*args, **kwargs)
        for name in ('add_config', 'add_graph', 'add_scalar', 'add_scalars'):
            function = getattr(visualizer, name)
            setattr(visualizer, name, _forgiven(function, lambda: True))
        # Those of a test are results.
        visualizer.add_image = _forgiven(
            visualizer.add_image, lambda: trains(self)
        )
        return visualizer

    def dump_config(self) -> None:
        """Write nothing yet: only what follows says where it belongs."""

    def train(self) -> nn.Module:
        """Write the config to the work directory and train."""
        self._write_config(self.work_dir)
        return super().train()

    def val(self) -> dict:
        """Write the config beside the log and validate."""
        with logs_may_fail():
            self._write_config(self.log_dir)
        return super().val()

    def test(self) -> dict:
        """Write the config beside the log and test.

        The work directory may hold the config of a training.
        """
        with logs_may_fail():
            self._write_config(self.log_dir)
        return super().test()

    @master_only
    def _write_config(self, folder: str) -> None:
        name = self.cfg.filename or f'{self.timestamp}.py'
        with atomic_path(Path(folder, Path(name).name)) as temporary:
            self.cfg.dump(temporary)
            if temporary.suffix == '.py':
                temporary.write_text(config_text(self.cfg), encoding='utf-8')


def _forgiven(function: Callable, applies: Callable[[], bool]) -> Callable:
    @wraps(function)
    def call(*args, **kwargs) -> None:
        if not applies():
            function(*args, **kwargs)
            return
        with logs_may_fail():
            function(*args, **kwargs)

    return call


def _tell_current_error(record: logging.LogRecord) -> None:
    # In place of logging's own, which prints a traceback for each line.
    tell_log_error(sys.exc_info()[1])
