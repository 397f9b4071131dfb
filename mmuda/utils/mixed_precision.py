# Copyright (c) mmuda authors.
"""Networks that compute in 16 bits, on devices that have them."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import is_main_process
from torch import nn

from mmuda.utils.errors import ConfigError
from mmuda.utils.screen import tell

Precision = Literal['fp32', 'bf16', 'fp16']
#: What ``--amp`` without a value asks for.
AUTO = 'auto'
_DTYPES = {'bf16': torch.bfloat16, 'fp16': torch.float16}
# Flags of Linux for x86 and ARM, of instructions that multiply bfloat16.
_FLAGS = ('amx_bf16', 'avx512_bf16', 'bf16')
_CPU_INFO = Path('/proc/cpuinfo')
_WRAPPER = 'MixedPrecisionOptimWrapper'


class Choice(NamedTuple):
    """What networks compute in, and why.

    Attributes:
        precision: Of convolutions and matrix products.
        reason: One line for the user.
    """

    precision: Precision
    reason: str


def choose_precision(
    asked: str, device: str | None = None, has_bf16: str | None = None
) -> Choice:
    """Decide what ``--amp`` means on a device.

    Args:
        asked: ``bf16``, ``fp16`` or ``auto``: bfloat16 where the device has
            it, else float16 on a GPU and float32 on a CPU.
        device: Type of the device; None for the one that mmengine takes.
        has_bf16: What of the device computes in bfloat16, '' for nothing;
            None looks it up.
    """
    device = device or get_device()
    name = 'CPU' if device == 'cpu' else 'GPU'
    if has_bf16 is None:
        has_bf16 = bf16_hardware(device)
    if asked == 'fp16':
        note = 'with loss scaling'
        if device == 'cpu':
            note += (
                '; gradients of float16 are computed in software on a CPU, '
                'many times slower than without --amp'
            )
        return Choice('fp16', f'--amp: fp16 {note}')
    if has_bf16:
        return Choice('bf16', f'--amp: bf16, which this {name} has{has_bf16}')
    lacks = f'this {name} has no bfloat16'
    if device == 'cpu':
        lacks += ' (none of ' + ', '.join(_FLAGS) + ')'
    if asked == 'bf16':
        return Choice(
            'bf16', f'--amp: bf16, but {lacks}; it is emulated, and slow'
        )
    if device == 'cpu':
        return Choice('fp32', f'--amp: fp32, as {lacks}')
    return Choice('fp16', f'--amp: fp16 with loss scaling, as {lacks}')


def bf16_hardware(device: str) -> str:
    """What of a device computes in bfloat16, in brackets; '' for nothing.

    Emulation, which PyTorch has everywhere, does not count.

    Args:
        device: Type of the device, such as ``cpu`` or ``cuda``.
    """
    if device == 'cuda':
        return (
            f' ({torch.cuda.get_device_name()})'
            if torch.cuda.is_bf16_supported(including_emulation=False)
            else ''
        )
    if device != 'cpu' or not _CPU_INFO.is_file():
        return ''
    lines = _CPU_INFO.read_text(errors='replace').splitlines()
    words = {
        word
        for line in lines
        if line.lower().startswith(('flags', 'features'))
        for word in line.split()
    }
    found = [flag for flag in _FLAGS if flag in words]
    return f' ({", ".join(found)})' if found else ''


def add_amp_option(parser: argparse.ArgumentParser, what: str) -> None:
    """Add ``--amp``.

    Args:
        parser: Of a tool.
        what: What is done in mixed precision, such as ``train``.
    """
    parser.add_argument(
        '--amp',
        nargs='?',
        const=AUTO,
        type=_precision,
        metavar='bf16|fp16',
        help=f'{what} in mixed precision: networks compute in 16 bits, by '
        'default bf16 where the device has it; losses and probabilities stay '
        'fp32. Without it all is fp32',
    )


def _precision(text: str) -> str:
    # argparse converts what stands for no value, too.
    if text not in (AUTO, *_DTYPES):
        raise argparse.ArgumentTypeError(
            f"must be bf16 or fp16, not '{text}'; an argument of its own "
            'stands before --amp'
        )
    return text


def precision_of_args(args: argparse.Namespace) -> Precision:
    """Precision that ``--amp`` asks for; tells why it is that one.

    Args:
        args: With ``amp``.
    """
    if args.amp is None:
        return 'fp32'
    choice = choose_precision(args.amp)
    if is_main_process():
        tell(choice.reason)
    return choice.precision


def amp_arguments(precision: Precision) -> list[str]:
    """Arguments that ask another tool for a precision."""
    return [] if precision == 'fp32' else ['--amp', precision]


def enable_amp(cfg: Config, precision: Precision) -> None:
    """Train and label in mixed precision, in place.

    Args:
        cfg: A training config; all its optimizers are switched.
        precision: ``fp32`` changes nothing.

    Raises:
        ConfigError: If an optimizer wrapper is of a type without it.
    """
    if precision == 'fp32':
        return
    wrappers = cfg.optim_wrapper
    named = {
        f'optim_wrapper.{name}': value
        for name, value in wrappers.items()
        if isinstance(value, dict) and 'optimizer' in value
    } or {'optim_wrapper': wrappers}
    for path, wrapper in named.items():
        kind = wrapper.get('type', 'OptimWrapper')
        if kind not in ('OptimWrapper', 'AmpOptimWrapper', _WRAPPER):
            raise ConfigError(
                f"{path}.type: mixed precision replaces 'OptimWrapper', "
                f"not '{kind}'"
            )
        wrapper['type'] = _WRAPPER
        wrapper['precision'] = precision
    label_in(cfg, precision)


def label_in(cfg: Config, precision: Precision) -> None:
    """Make pseudo-labels in mixed precision, in place.

    Args:
        cfg: A config, with ``pseudo_labels`` or without.
        precision: ``fp32`` leaves it to the config.
    """
    if cfg.get('pseudo_labels') and precision != 'fp32':
        cfg.pseudo_labels['precision'] = precision


@contextmanager
def computing_in(
    precision: Precision, device: str | torch.device
) -> Iterator[None]:
    """Let networks inside the block compute in 16 bits.

    Args:
        precision: ``fp32`` changes nothing.
        device: Where they are.
    """
    if precision == 'fp32':
        yield
        return
    kind = torch.device(device).type
    with torch.autocast(kind, dtype=_DTYPES[precision]):
        yield


def lay_out(
    model: nn.Module, precision: Precision, device: str | None = None
) -> None:
    """Put weights into the memory layout that is fastest, in place.

    In 16 bits that is channels last, for every kind of network. In float32 on
    a CPU it is for those whose convolutions all see all channels, never
    slower then; depthwise ones, of DeepLab-V3+ and SegFormer, lose what the
    others gain. On GPUs it was not measured in float32.

    Args:
        model: Before it is wrapped for several processes. Each child of a
            method is a network of its own, a segmentor is one.
        precision: In which it will compute.
        device: Type of the device; None for the one that mmengine takes.
    """
    on_cpu = (device or get_device()) == 'cpu'
    one = hasattr(model, 'backbone')
    for network in [model] if one else model.children():
        if precision != 'fp32' or (on_cpu and _sees_all_channels(network)):
            _put_channels_last(network)


def _sees_all_channels(network: nn.Module) -> bool:
    """Whether a network is one of convolutions, none of them in groups."""
    groups = {
        module.groups
        for module in network.modules()
        if isinstance(module, nn.Conv2d)
    }
    return groups == {1}


def _put_channels_last(network: nn.Module) -> None:
    for weight in network.parameters():
        if weight.dim() == 4:
            # Not contiguous(), which leaves the strides of 1x1 kernels: DDP
            # warns if gradients have others.
            last = torch.empty_like(
                weight.data, memory_format=torch.channels_last
            )
            weight.data = last.copy_(weight.data)


def precision_of_config(cfg: Config) -> Precision:
    """In which precision the first player of a config is trained."""
    wrapper = cfg.get('optim_wrapper') or {}
    players = [v for v in wrapper.values() if isinstance(v, dict)]
    found = (part.get('precision') for part in (wrapper, *players))
    return next(filter(None, found), 'fp32')
