# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Configs as runs have written them, read without being run."""

from pathlib import Path
from typing import Any

from mmuda.utils.flat_values import flat
from mmuda.utils.json_files import read_plain_file
from mmuda.utils.written_configs import read_config_text

_REMEDY = 'remove it'


def read_dumped_config(file: Path) -> dict[str, Any]:
    """Values of a config by dotted key; what is no plain value as its text.

    Args:
        file: As ``Config.dump`` writes it. Nothing of it is run.

    Raises:
        DataError: It can't be read.
    """
    text = read_plain_file(file, _REMEDY).decode('utf-8', 'replace')
    try:
        values = read_config_text(text, strict=False)
    except ValueError as error:
        return {file.name: f'no config ({error})'}
    return dict(flat(values)) if values else {}
