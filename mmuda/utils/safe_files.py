# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Makes mmengine read YAML as data, and no pickles.

mmengine's reader of YAML calls whatever ``!!python/object/apply`` names, also
in the files that a config names as ``_base_``; its ``load`` unpickles.
"""

from typing import IO, Any, NoReturn

import yaml
from mmengine.fileio import PickleHandler, YamlHandler, register_handler

from mmuda.utils.errors import ConfigError, DataError


def install_safe_file_reading() -> None:
    """Replace mmengine's readers of YAML and pickle files."""
    register_handler(['yaml', 'yml'])(_DataYamlHandler)
    register_handler(['pickle', 'pkl'])(_NoPickleHandler)


class _DataLoader(yaml.SafeLoader):
    """Plain data, and the tuples that mmengine writes."""


_DataLoader.add_constructor(
    'tag:yaml.org,2002:python/tuple',
    lambda loader, node: tuple(loader.construct_sequence(node, deep=True)),
)


class _DataYamlHandler(YamlHandler):
    def load_from_fileobj(self, file: IO, **kwargs) -> Any:
        try:
            return yaml.load(file, Loader=_DataLoader)
        except yaml.constructor.ConstructorError as error:
            raise ConfigError(
                f'a YAML file is refused ({error.problem}): what is not plain '
                'data could run code'
            ) from error


class _NoPickleHandler(PickleHandler):
    def load_from_fileobj(self, file: IO, **kwargs) -> NoReturn:
        name = getattr(file, 'name', 'a pickle')
        raise DataError(
            f'{name}: refused, because a pickle could run code; store the '
            'data as JSON or text'
        )
