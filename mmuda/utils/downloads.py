# Copyright (c) mmuda authors.
"""Downloading checkpoints once, without mixing them up."""

import hashlib
import logging
import re
import shutil
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urldefrag, urlparse
from urllib.request import Request, urlopen

import torch
from filelock import FileLock
from mmengine.logging import print_log

from mmuda.utils.checksums import (
    checkpoint_fault,
    has_checksums,
    is_legacy,
    sha256_of,
)
from mmuda.utils.errors import CheckpointError, MMUDAError
from mmuda.utils.files import atomic_path
from mmuda.utils.screen import tell

# Model zoos put the first digits of the file's SHA-256 before the extension;
# decimal digits alone may be a date.
_DIGEST = re.compile(r'-(?=\d*[a-f])([0-9a-f]{8,64})\.\w+$')
# So are names by mmseg's publish_model.py, whose digest is that of the file
# with the optimizer, before it was published.
_DIGEST_OF_TRAINING = re.compile(r'_20\d{6}(_\d{6})?-[0-9a-f]+\.\w+$')
_TIMEOUT = 60  # seconds in which a server has to say something


def downloaded_file(url: str) -> Path:
    """Return the local copy of a checkpoint, after downloading it if needed.

    Copies lie in PyTorch's cache, in a folder for each address: files of one
    name from two addresses are two files. A copy that PyTorch itself made is
    used if its name carries its SHA-256, and that fits.

    Args:
        url: An address ``http://`` or ``https://``.

    Raises:
        CheckpointError: If the address is malformed, the file can't be
            downloaded, or what arrives is damaged or another file than the
            hash in its name says; names as mmseg makes them, with a date,
            only warn if the file is whole.
        DataError: If the disk is full.
    """
    try:
        path = cached_path(url)
        shared = path.parents[2] / path.name
        if shared.is_file() and _digest_fault(shared) is None:
            return shared
        path.parent.mkdir(parents=True, exist_ok=True)
        # Several processes may want it at once, on several machines too.
        with FileLock(f'{path}.lock'):
            if not path.is_file():
                tell(f'Downloading {url} to {path}')
                with atomic_path(path) as temporary:
                    _fetch(url, temporary)
                    _require_sound(url, temporary, path.name)
    except MMUDAError:
        raise
    except (OSError, HTTPException, NotImplementedError, ValueError) as error:
        raise CheckpointError(
            f'{url}: cannot be downloaded ({error}); download it by hand and '
            'give the path of the file'
        ) from error
    return path


def cached_path(url: str) -> Path:
    """Where the copy of an address lies.

    Args:
        url: An address ``http://`` or ``https://``.

    Raises:
        ValueError: If the address is malformed.
    """
    address = urldefrag(url).url
    name = Path(urlparse(address).path).name
    if name in ('', '..'):
        name = 'checkpoint.pth'
    key = hashlib.sha256(address.encode()).hexdigest()[:16]
    return Path(torch.hub.get_dir(), 'checkpoints', 'by_url', key, name)


def _fetch(url: str, path: Path) -> None:
    request = Request(url, headers={'User-Agent': 'mmuda'})
    with (
        urlopen(request, timeout=_TIMEOUT) as response,
        path.open('wb') as file,
    ):
        expected = response.length
        shutil.copyfileobj(response, file)
        if expected is not None and file.tell() != expected:
            raise OSError(f'{file.tell()} of {expected} bytes arrived')


def _require_sound(url: str, path: Path, name: str) -> None:
    fault = _digest_fault(path, name)
    whole = has_checksums(path) and checkpoint_fault(path) is None
    if fault is not None and whole and _DIGEST_OF_TRAINING.search(name):
        print_log(
            f'{url}: {fault}; it may be that of the file before it was '
            'published',
            'current',
            logging.WARNING,
        )
        return
    if fault is None and not is_legacy(path):
        fault = checkpoint_fault(path)
    if fault is not None:
        raise CheckpointError(
            f'{url}: what was downloaded is damaged or another file: {fault}; '
            'try again, or download it by hand and give the path of the file'
        )


def _digest_fault(path: Path, name: str | None = None) -> str | None:
    """What is wrong with a file by its name; a name may say nothing."""
    expected = _DIGEST.search(name or path.name)
    if expected is None:
        return None if name else 'its name carries no hash'
    digest = sha256_of(path)
    if digest.startswith(expected[1]):
        return None
    return (
        f'its SHA-256 begins with {digest[: len(expected[1])]}, not with '
        f'{expected[1]} as its name says'
    )
