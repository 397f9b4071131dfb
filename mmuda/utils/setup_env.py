# Copyright (c) mmuda authors.
"""Makes everything of mmuda known to the registries."""

import warnings
from functools import lru_cache
from importlib import import_module
from itertools import chain

import mmengine.registry
from yapf.yapflib import yapf_api

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
    for package in dict.fromkeys(chain.from_iterable(LOCATIONS.values())):
        import_module(package)
    install_safe_checkpoint_loading()
    install_safe_file_reading()
    lay_out_configs_once()
    # mmseg says so at each new size; the published networks are as they are.
    warnings.filterwarnings('ignore', message='When align_corners=True')
    # So it is in our configs; the tools draw if they are asked to.
    warnings.filterwarnings('ignore', message='The draw is False')
    # mmseg says so to configs that ask for it, too, such as those of HRDA.
    warnings.filterwarnings('ignore', message='Default ``avg_non_ignore``')
    if init_default_scope:
        mmengine.registry.init_default_scope('mmuda')


def lay_out_configs_once() -> None:
    """Keep the text of a config from being laid out anew each time.

    mmengine asks for it for the log, the folder of the run, its message hub
    and every checkpoint, and a long one takes seconds.
    """
    lay_out = yapf_api.FormatCode
    if hasattr(lay_out, 'cache_info'):
        return

    @lru_cache(maxsize=16)
    def remembered(text: str, style: frozenset, options: frozenset) -> tuple:
        return lay_out(text, style_config=dict(style), **dict(options))

    def format_code(text: str, style_config: dict, **options) -> tuple:
        return remembered(
            text, frozenset(style_config.items()), frozenset(options.items())
        )

    vars(format_code)['cache_info'] = remembered.cache_info
    yapf_api.FormatCode = format_code
    # Upstream mmengine has a name of its own for it.
    module = import_module('mmengine.config.config')
    if hasattr(module, 'FormatCode'):
        vars(module)['FormatCode'] = format_code
