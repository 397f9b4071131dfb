# Copyright (c) mmuda authors.
"""What every other part may use."""

from typing import Any


def __getattr__(name: str) -> Any:
    # Where mmengine looks for it. Not imported at once: Ctrl-C must be
    # handled before what takes seconds to import.
    if name == 'register_all_modules':
        from mmuda.utils.setup_env import register_all_modules

        return register_all_modules
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
