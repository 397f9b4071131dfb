# Copyright (c) mmuda authors.
"""Where a training runs, written when it starts, for its report."""

import json
import platform
import time
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import mmcv
import mmengine
import mmseg
import numpy as np
import torch
from mmengine.device import get_device
from mmengine.dist import get_world_size

from mmuda.utils.files import atomic_write
from mmuda.utils.json_files import read_json
from mmuda.version import __version__

ENVIRONMENT = 'vis_data/environment.json'
# With the zone, as it may be read elsewhere.
_TIME = '%Y-%m-%d %H:%M:%S%z'


def describe_environment(seed: int | None, finished: int) -> dict[str, Any]:
    """What a run is done with.

    Args:
        seed: Of its random numbers.
        finished: Iterations of the runs that it continues.
    """
    device = get_device()
    name = torch.cuda.get_device_name() if device == 'cuda' else device
    return dict(
        started=time.strftime(_TIME),
        continues_from=finished,
        seed=seed,
        device=name,
        processes=get_world_size(),
        threads=torch.get_num_threads(),
        system=platform.platform(),
        versions=dict(
            mmuda=__version__,
            python=platform.python_version(),
            torch=torch.__version__,
            mmengine=mmengine.__version__,
            mmcv=mmcv.__version__,
            mmseg=mmseg.__version__,
            numpy=np.__version__,
            **_versions('opencv-python-headless', 'opencv-python', 'pillow'),
        ),
    )


def _versions(*packages: str) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def write_environment(run: Path, content: Mapping[str, Any]) -> None:
    """Write what a run is done with.

    Args:
        run: Its folder, ``<work dir>/<time>``.
        content: See :func:`describe_environment`.
    """
    atomic_write(run / ENVIRONMENT, json.dumps(content, indent=2) + '\n')


def read_environment(run: Path) -> dict[str, Any]:
    """Read what a run was done with; nothing of runs that did not tell.

    Args:
        run: As of :func:`write_environment`.

    Raises:
        DataError: The file is damaged.
    """
    file = run / ENVIRONMENT
    return read_json(file, 'remove it') if file.exists() else {}


def started_at(run: Path) -> float:
    """When a run was started, in seconds as those of files.

    Args:
        run: As of :func:`write_environment`; one that did not tell has its
            time as a name.

    Returns:
        0 if nothing tells.

    Raises:
        DataError: As of :func:`read_environment`.
    """
    told = str(read_environment(run).get('started'))
    for text, form in ((told, _TIME), (run.name, '%Y%m%d_%H%M%S')):
        try:
            return datetime.strptime(text, form).timestamp()
        except (ValueError, OverflowError, OSError):
            continue
    return 0.0
