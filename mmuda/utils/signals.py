# Copyright (c) mmuda authors.
"""Signals that not every system has."""

import signal


def hangup_to_handle() -> signal.Signals | None:
    """Signal of a closed terminal, SIGHUP.

    Returns:
        None where the system has none (Windows), and where it is ignored:
        ``nohup`` lets a run outlive its terminal.
    """
    hangup = getattr(signal, 'SIGHUP', None)
    if hangup is None or signal.getsignal(hangup) is signal.SIG_IGN:
        return None
    return hangup
