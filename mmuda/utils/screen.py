# Copyright (c) mmuda authors.
"""What of a log is shown on the screen; its file holds all of it.

Until its work begins a run logs some 600 lines: the environment, the whole
config, hooks, groups of parameters. They are for the file.
"""

import logging
import os
import re
import warnings
from functools import wraps

import mmengine.logging
from mmengine.logging import MMLogger

VERBOSE = 'MMUDA_VERBOSE'
# Facts of a config that mmengine logs as warnings, one line a tensor. The
# summary of a run counts them.
_NO_WARNINGS = re.compile(r'.* is skipped since its requires_grad=False')
# What mmengine's own hooks do in an old way.
_OF_MMENGINE = re.compile(
    r'"(FileClient|HardDiskBackend)" .* deprecated in future.*'
)


def is_verbose() -> bool:
    """Whether all lines shall be shown, also in processes that are started."""
    return os.environ.get(VERBOSE) == '1'


class ScreenFilter(logging.Filter):
    """Let warnings and errors pass; other lines once it is open."""

    def __init__(self) -> None:
        super().__init__()
        self.is_open = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is shown."""
        if _OF_MMENGINE.fullmatch(record.getMessage()):
            return False
        if self.is_open or getattr(record, 'on_screen', False):
            return True
        if record.levelno < logging.WARNING:
            return False
        return not _NO_WARNINGS.fullmatch(record.getMessage())


def hold_back(logger: MMLogger) -> None:
    """Show no more than warnings and errors until :func:`show_all`.

    A log of level DEBUG is shown whole.
    """
    for handler in _screens(logger):
        if handler.level <= logging.DEBUG or is_verbose():
            continue
        for gate in _gates(handler):
            gate.is_open = False
            break
        else:
            handler.addFilter(ScreenFilter())


def show_all(logger: logging.Logger) -> None:
    """Show all lines from here on."""
    for handler in _screens(logger):
        for gate in _gates(handler):
            gate.is_open = True


def tell(message: str) -> None:
    """Log what is to be shown before the work of a run begins, too."""
    logger = MMLogger.get_current_instance()
    logger.info(message, extra=dict(on_screen=True))


def silence_imports() -> None:
    """Keep what libraries say when they are imported from the screen.

    mmseg names what is optional by ``print_log`` with level DEBUG, which
    prints any level where no logger is given; mmcv-lite warns of an operator
    that no network here has.
    """
    plain = mmengine.logging.print_log
    if is_verbose() or hasattr(plain, 'levels_count'):
        return

    @wraps(plain)
    def print_log(
        msg: object,
        logger: logging.Logger | str | None = None,
        level: int = logging.INFO,
    ) -> None:
        if logger is not None or level >= logging.INFO:
            plain(msg, logger, level)

    vars(print_log)['levels_count'] = True
    for module in mmengine.logging, mmengine.logging.logger:
        vars(module)['print_log'] = print_log
    warnings.filterwarnings(
        'ignore', message='Fail to import ``MultiScaleDeformableAttention``'
    )


def _screens(logger: logging.Logger) -> list[logging.StreamHandler]:
    return [
        handler
        for handler in logger.handlers
        if isinstance(handler, logging.StreamHandler)
        and not isinstance(handler, logging.FileHandler)
    ]


def _gates(handler: logging.Handler) -> list[ScreenFilter]:
    return [f for f in handler.filters if isinstance(f, ScreenFilter)]
