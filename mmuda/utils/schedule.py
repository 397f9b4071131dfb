# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Where training stands."""

from mmengine.logging import MessageHub


def current_iteration() -> int:
    """Iterations finished so far; right after a resume as well.

    mmengine's ``RuntimeInfoHook`` keeps the number. A counter of the model's
    own would start from zero at each resume.
    """
    hub = MessageHub.get_current_instance()
    return hub.get_info('iter', 0) or 0
