# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Unsupervised domain adaptation of semantic segmentation."""

import warnings
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
    if Version(version) >= Version(untested):
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
        ImportError: If one is missing, too old or does not fit another;
            names what to install.
    """
    for package in _VERSION_RANGES:
        if package == 'mmseg':
            _check_pair()
        try:
            version = import_module(package).__version__
        except (ImportError, AssertionError) as error:
            raise ImportError(
                f'mmuda needs {package}, which cannot be imported ({error}): '
                f'{_INSTALL_COMMANDS[package]}'
            ) from error
        check_version(package, version)


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
check_versions()
import_module('mmuda.utils.screen').silence_imports()
name_distributions()
import_module('mmuda.utils.renamed_configs').follow_old_paths()
import_module('mmuda.utils.config_completion').complete_files()

__all__ = [
    '__version__',
    'check_upstream',
    'check_version',
    'check_versions',
]
