# Copyright (c) mmuda authors.
"""Unsupervised domain adaptation of semantic segmentation."""

import os
import warnings
from collections.abc import Iterable, Mapping
from importlib import import_module, metadata, util

from packaging.version import Version

from mmuda.utils.processes import leave_at_interrupt
from mmuda.utils.threads import settle_threads
from mmuda.version import __version__

# First accepted version and first version that has not been tested.
_VERSION_RANGES = {
    'torch': ('2.6.0', '2.14.0'),
    'mmengine': ('0.10.7', '0.11.0'),
    'mmcv': ('2.0.0rc4', '2.4.0'),
    'mmseg': ('1.2.2', '1.5.0'),
}
_INSTALL_COMMANDS = {
    'torch': 'pip install "torch>=2.6"',
    'mmengine': 'pip install onedl-mmengine',
    'mmcv': 'pip install onedl-mmcv',
    'mmseg': 'pip install onedl-mmsegmentation',
}
# What OpenMMLab's own mmseg asks for: it asserts the first when imported, and
# imports compiled operators.
_UPSTREAM_MMSEG = 'mmsegmentation'
_UPSTREAM = ('mmengine', 'mmcv', _UPSTREAM_MMSEG)
_STACK = ('mmengine', 'mmcv', 'mmseg')
_UPSTREAM_MMCV = ('2.0.0rc4', '2.2.0')
_UPSTREAM_COMMAND = (
    'pip install mmengine==0.10.7 mmsegmentation==1.2.2 '
    '"mmcv>=2.0.0rc4,<2.2" (compiled, not mmcv-lite), or take '
    'requirements/stack.txt in place of all three'
)


def check_version(package: str, version: str) -> None:
    """Check one version against the range that mmuda works with.

    A version above the range only warns: what is new usually works, and a
    hard bound would make every release of another package break this one.

    Args:
        package: Import name, one of torch, mmengine, mmcv, mmseg.
        version: The installed version.

    Raises:
        ImportError: If the version is too old.
    """
    minimum, untested = _VERSION_RANGES[package]
    if Version(version) < Version(minimum):
        raise ImportError(
            f'mmuda needs {package}>={minimum}, but {version} is installed: '
            f'{_INSTALL_COMMANDS[package]}'
        )
    # A release in the making is before it, and not tested any more than it.
    if Version(version).release >= Version(untested).release:
        warnings.warn(
            f'mmuda is not tested with {package} {version}, only below '
            f'{untested}',
            stacklevel=2,
        )


def check_upstream(mmcv: str, mmseg: str, compiled: bool) -> None:
    """Check that mmcv fits OpenMMLab's mmsegmentation.

    Args:
        mmcv: Version of mmcv.
        mmseg: Version of mmsegmentation.
        compiled: Whether mmcv has its compiled operators.

    Raises:
        ImportError: mmsegmentation could not be imported with it.
    """
    minimum, excluded = map(Version, _UPSTREAM_MMCV)
    if not minimum <= Version(mmcv) < excluded:
        raise ImportError(
            f'mmsegmentation {mmseg} needs mmcv>={minimum},<{excluded}, but '
            f'{mmcv} is installed: {_UPSTREAM_COMMAND}'
        )
    if not compiled:
        raise ImportError(
            f'mmsegmentation {mmseg} needs the compiled operators of mmcv, '
            f'but mmcv-lite {mmcv} is installed: {_UPSTREAM_COMMAND}'
        )


def _check_pair() -> None:
    """Look at the pair before mmseg is imported, which ends in an assert."""
    if not _is_distributed(_UPSTREAM_MMSEG):
        return
    mmseg = metadata.version(_UPSTREAM_MMSEG)
    mmcv = import_module('mmcv').__version__
    check_upstream(mmcv, mmseg, util.find_spec('mmcv._ext') is not None)


def check_versions() -> None:
    """Check that torch and the OpenMMLab packages are there and fit.

    Raises:
        ImportError: If some are missing, too old or do not fit another; names
            all of them and what to install, in this order.
    """
    faults: dict[str, str] = {}
    for package in _VERSION_RANGES:
        try:
            _check_package(package, faults)
        except ImportError as error:
            faults[package] = str(error)
    if not faults:
        return
    if len(faults) == 1:
        raise ImportError(*faults.values())
    # Each ends in its own command, which would not do for all.
    reasons = [text.partition(': pip install')[0] for text in faults.values()]
    reasons[1:] = [text.removeprefix('mmuda needs ') for text in reasons[1:]]
    lines = ['; '.join(reasons) + '. Type', *_commands(faults)]
    raise ImportError('\n  '.join(lines))


def _check_package(package: str, faults: Mapping[str, str]) -> None:
    """Check one of the packages; others may be missing, as ``faults`` says."""
    command = _INSTALL_COMMANDS[package]
    if package in _STACK and _has_upstream():
        # The other set would overwrite what is there.
        command = _UPSTREAM_COMMAND
    if util.find_spec(package) is None:
        raise ImportError(
            f'mmuda needs {package}, which is not installed: {command}'
        )
    if package == 'mmseg' and not faults:
        _check_pair()
    try:
        version = import_module(package).__version__
    except (ImportError, AssertionError) as error:
        if faults:  # perhaps their fault
            return
        raise ImportError(
            f'mmuda needs {package}, which cannot be imported ({error}): '
            f'{command}'
        ) from error
    check_version(package, version)


def _commands(faults: Iterable[str]) -> list[str]:
    """What to type for all packages with a fault, PyTorch first."""
    commands = [_INSTALL_COMMANDS['torch']] if 'torch' in faults else []
    stack = [package for package in faults if package != 'torch']
    if stack and _has_upstream():
        commands.append(_UPSTREAM_COMMAND)
    else:
        names = [_INSTALL_COMMANDS[package].split()[-1] for package in stack]
        commands += [f'pip install {" ".join(names)}'] if names else []
    return commands


def _has_upstream() -> bool:
    return any(map(_is_distributed, _UPSTREAM))


def name_distributions() -> None:
    """Let ``mmuda::`` and ``mmseg::`` name the configs that are installed.

    mmengine asks for the distribution of a package by a table, in which mmuda
    is missing and the builds named ``onedl-`` are, too: it would install
    OpenMMLab's mmsegmentation over the one that is there.
    """
    names = import_module('mmengine.config.utils').MODULE2PACKAGE
    names['mmuda'] = 'mmuda'
    for package, distribution in names.items():
        if util.find_spec(package) and not _is_distributed(distribution):
            build = f'onedl-{distribution}'
            names[package] = build if _is_distributed(build) else package


def _is_distributed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


leave_at_interrupt()
settle_threads()
# Before it is imported: else a line for each TIFF of four channels.
os.environ.setdefault('OPENCV_LOG_LEVEL', 'ERROR')
check_versions()
import_module('mmuda.utils.screen').silence_imports()
name_distributions()
import_module('mmuda.utils.renamed_configs').follow_old_paths()
import_module('mmuda.utils.config_completion').complete_files()
import_module('mmuda.utils.inferencers').support_inferencers()

__all__ = [
    '__version__',
    'check_upstream',
    'check_version',
    'check_versions',
]
