# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Makes everything of mmuda known to the registries."""

import io
import warnings
from contextlib import redirect_stdout
from importlib import import_module
from itertools import chain

import mmengine.registry

from mmuda.registry import LOCATIONS
from mmuda.utils.compat import install_safe_checkpoint_loading
from mmuda.utils.files import install_safe_file_reading


def register_all_modules(init_default_scope: bool = True) -> None:
    """Import all packages that the registries name, with their classes.

    Also makes mmengine load checkpoints and files without running code from
    them, see :func:`mmuda.utils.compat.install_safe_checkpoint_loading` and
    :func:`mmuda.utils.files.install_safe_file_reading`.

    Args:
        init_default_scope: Make ``mmuda`` the default scope, so that
            ``MODELS.build`` finds all classes without a prefix. A ``Runner``
            does so itself, by the ``default_scope`` of its config.
    """
    # mmseg prints messages of level DEBUG about packages that are optional.
    with redirect_stdout(io.StringIO()):
        for package in dict.fromkeys(chain.from_iterable(LOCATIONS.values())):
            import_module(package)
    install_safe_checkpoint_loading()
    install_safe_file_reading()
    # mmseg says so at each new size; the published networks are as they are.
    warnings.filterwarnings('ignore', message='When align_corners=True')
    if init_default_scope:
        mmengine.registry.init_default_scope('mmuda')
