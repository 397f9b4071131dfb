# Copyright (c) mmuda authors.
"""Iterations of ADVENT's published loop, in a checkout that the user has.

Nothing of the published code is here: its functions are imported by name from
the checkout and run as they are. They get random images from a loader that
waits until an iteration is asked for, which is how each one is timed.
"""

import importlib
import importlib.util
import sys
import types
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import addict
import numpy as np
import torch

from benchmarks.measure import Clock, synchronize
from benchmarks.setting import Size
from benchmarks.turns import Caller
from mmuda.utils.errors import ConfigError

_LOOPS = 'advent.domain_adaptation.train_UDA'
_SETTINGS = 'advent.domain_adaptation.config'
_NETWORKS = 'advent.model.deeplabv2'
_NAMES = {
    _LOOPS: 'train_domain_adaptation',
    _SETTINGS: 'cfg',
    _NETWORKS: 'get_deeplab_v2',
}
# More than anyone measures; the schedule of the learning rate ends there.
_ITERATIONS = 250_000


def require_checkout(folder: Path) -> None:
    """Check that a folder looks like a checkout of ADVENT.

    Raises:
        ConfigError: A module is missing.
    """
    for module in _NAMES:
        file = folder.joinpath(*module.split('.')).with_suffix('.py')
        if not file.is_file():
            raise ConfigError(
                f'--published {folder}: no {file.relative_to(folder)}; give '
                'the folder of a checkout of github.com/valeoai/ADVENT'
            )


def serve_published(
    caller: Caller,
    folder: Path,
    method: str,
    sizes: dict[str, Size],
    classes: int,
    has_aux: bool,
    batch_size: int,
    device: str,
    clock: Clock,
) -> None:
    """Run the published loop, an iteration each time it is asked for.

    Args:
        caller: Who asks; is told first ``adapted`` (what was done for the
            code to run) and ``parameters`` (of the network).
        folder: The checkout.
        method: ``AdvEnt`` or ``MinEnt``.
        sizes: Width and height by domain.
        classes: Number of classes.
        has_aux: Whether the network has an auxiliary head.
        batch_size: Images of each domain.
        device: Where to compute.
        clock: What tells the time.
    """
    adapted = adapt(device)
    sys.path.insert(0, str(folder))
    loops, settings, networks = map(importlib.import_module, _NAMES)
    cfg = settings.cfg
    cfg.GPU_ID = torch.device(device)
    cfg.NUM_CLASSES = classes
    cfg.TRAIN.INPUT_SIZE_SOURCE = sizes['source']
    cfg.TRAIN.INPUT_SIZE_TARGET = sizes['target']
    cfg.TRAIN.DA_METHOD = method
    cfg.TRAIN.MULTI_LEVEL = has_aux
    # Neither pictures nor files.
    cfg.TRAIN.TENSORBOARD_LOGDIR = cfg.TRAIN.SNAPSHOT_DIR = ''
    cfg.TRAIN.MAX_ITERS = cfg.TRAIN.SAVE_PRED_EVERY = 2 * _ITERATIONS
    cfg.TRAIN.EARLY_STOP = _ITERATIONS
    model = networks.get_deeplab_v2(num_classes=classes, multi_level=has_aux)
    count = sum(p.numel() for p in model.parameters())
    caller.tell(dict(adapted=adapted, parameters=count))
    source, target = (
        random_items(sizes[name], classes, batch_size)
        for name in ('source', 'target')
    )
    loops.train_domain_adaptation(
        model, _gated(source, caller, device, clock), _endless(target), cfg
    )


def random_items(size: Size, classes: int, batch_size: int) -> tuple:
    """A batch as the published loaders give it.

    Args:
        size: Width and height.
        classes: Labels lie below it.
        batch_size: Number of images.

    Returns:
        Images (N, 3, H, W) and labels (N, H, W) in float32, shapes (N, 3),
        and names.
    """
    shape = size[1], size[0]
    images = 255 * torch.rand(batch_size, 3, *shape) - 110
    labels = torch.randint(classes, (batch_size, *shape)).float()
    shapes = torch.tensor([[*shape, 3]] * batch_size)
    return images, labels, shapes, ['noise'] * batch_size


def _gated(
    batch: Any, caller: Caller, device: str, clock: Clock
) -> Iterator[Any]:
    """Give the batch whenever an iteration is asked for.

    The loop comes back for the next one when it is done with the last.
    """
    while True:
        caller.wait()
        start = clock()
        yield batch
        synchronize(device)
        caller.tell(clock() - start)


def _endless(batch: Any) -> Iterator[Any]:
    while True:
        yield batch


def adapt(device: str) -> list[str]:
    """Make this process one in which code for PyTorch 0.4 on a GPU runs.

    It changes PyTorch and NumPy of the whole process, which is to do nothing
    else.

    Args:
        device: Where the code shall compute.

    Returns:
        What was done, for the user.
    """
    done = []
    if torch.device(device).type == 'cpu':
        torch.Tensor.cuda = _stay  # type: ignore[method-assign]
        torch.nn.Module.cuda = _stay  # type: ignore[method-assign]
        # A number that .to() refuses, on the CPU.
        torch.Tensor.get_device = _device_of  # type: ignore
        done.append('cuda() and get_device() stay on the CPU')
    for name, kind in dict(int=int, float=float, str=str).items():
        if name not in vars(np):
            setattr(np, name, kind)
    missing = [
        name for name in _STAND_INS if importlib.util.find_spec(name) is None
    ]
    for name in missing:
        sys.modules |= _STAND_INS[name]()
    if missing:
        done.append(f'stand-ins for {", ".join(missing)}')
    return done


def _stay(self: Any, *args: Any, **kwargs: Any) -> Any:
    return self


def _device_of(self: torch.Tensor) -> torch.device:
    return self.device


def _module(name: str, **content: Any) -> dict[str, types.ModuleType]:
    module = types.ModuleType(name)
    # Asked for by importlib.util.find_spec.
    module.__spec__ = ModuleSpec(name, None)
    vars(module).update(content)
    return {name: module}


class _Bar:
    """What the loop asks of a progress bar."""

    def __init__(self, steps: Any, **kwargs: Any) -> None:
        self.steps = steps

    def __iter__(self) -> Iterator[Any]:
        return iter(self.steps)

    @staticmethod
    def write(text: str) -> None:
        print(text)


def _not_drawn(*args: Any, **kwargs: Any) -> None:
    raise ConfigError('the benchmark draws nothing; it needs no TensorBoard')


# The loop neither draws nor writes scalars without a folder for them.
_STAND_INS: dict[str, Callable[[], dict[str, types.ModuleType]]] = {
    'easydict': lambda: _module('easydict', EasyDict=addict.Dict),
    'tqdm': lambda: _module('tqdm', tqdm=_Bar),
    'tensorboardX': lambda: _module('tensorboardX', SummaryWriter=_not_drawn),
    'torchvision': lambda: (
        _module('torchvision')
        | _module('torchvision.utils', make_grid=_not_drawn)
    ),
}
