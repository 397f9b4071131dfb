# Copyright (c) mmuda authors.
"""The config that a checkpoint was trained by, read as data.

MMEngine writes its text into each checkpoint, and runs it as Python where it
reads it again. Here nothing is run: what is no plain value is refused, and so
are scopes of other packages and types that no registry has, which MMEngine
would import by their name.
"""

import os
from typing import Any

from mmengine.config import Config

from mmuda.utils.compat import load_checkpoint_meta
from mmuda.utils.config_keys import config_parts, registered_names
from mmuda.utils.errors import CheckpointError
from mmuda.utils.setup_env import register_all_modules
from mmuda.utils.text import join_some
from mmuda.utils.value_types import join
from mmuda.utils.written_configs import read_config_text

# What a prediction needs; a loader or a hook could name anything.
_BUILT = ('model', 'test_pipeline', 'tta_model', 'tta_pipeline')
_LOADERS = ('test_dataloader', 'val_dataloader', 'train_dataloader')
_VISUALIZER = dict(type='SegLocalVisualizer')
_SCOPES = ('mmuda', 'mmseg', 'mmcv', 'mmengine')
# Registered, and able to unpickle what they read.
_REFUSED = {
    *('LoadBiomedicalAnnotation', 'LoadBiomedicalData'),
    'LoadBiomedicalImageFromFile',
}
_REMEDY = 'pass the config that it was trained with (--config)'


def config_of_checkpoint(path: str | os.PathLike) -> Config:
    """Read the config in a checkpoint, as far as predictions need it.

    Args:
        path: File or address of a checkpoint.

    Returns:
        Model, pipelines and data sets. Nothing of it has been run, and what
        it names to be built is registered.

    Raises:
        CheckpointError: It holds none, or one that is more than data.
    """
    text = load_checkpoint_meta(path).get('cfg')
    if not isinstance(text, str) or not text.strip():
        raise CheckpointError(f'{path} holds no config; {_REMEDY}')
    try:
        values = read_config_text(text)
    except ValueError as error:
        raise CheckpointError(
            f'{path}: its config is more than data ({error}), and is not run; '
            f'{_REMEDY}'
        ) from error
    if not isinstance(values.get('model'), dict):
        raise CheckpointError(f'{path}: its config has no model; {_REMEDY}')
    kept = {
        key: values[key]
        for key in ('default_scope', *_BUILT, *_LOADERS)
        if key in values
    }
    _require_known_scopes(kept, path)
    _require_registered(kept, path, values.get('custom_imports'))
    # Inferencers need one; that of the training writes into its work dir.
    return Config(dict(kept, visualizer=_VISUALIZER))


def _require_known_scopes(
    values: dict[str, Any], path: str | os.PathLike
) -> None:
    """Refuse scopes of other packages: they would be imported."""
    given = [('default_scope', values.get('default_scope'))]
    given += [
        (join(place, '_scope_'), part.get('_scope_'))
        for place, part in config_parts(values)
    ]
    unknown = [
        f'{place}={scope!r}'
        for place, scope in given
        if scope is not None and scope not in _SCOPES
    ]
    if unknown:
        raise CheckpointError(
            f'{path}: its config names packages that would be imported '
            f'({join_some(unknown)}); {_REMEDY}'
        )


def _require_registered(
    values: dict[str, Any], path: str | os.PathLike, imports: Any
) -> None:
    """Refuse types that are not registered: they would be imported."""
    register_all_modules(init_default_scope=False)
    known = registered_names() - _REFUSED
    unknown = {
        str(part['type'])
        for _, part in config_parts(values)
        if 'type' in part and _plain_type(part['type']) not in known
    }
    if unknown:
        hint = f'; it imports {imports}' if imports else ''
        raise CheckpointError(
            f'{path}: its config names types that mmuda does not have '
            f'({join_some(sorted(unknown))}{hint}); {_REMEDY}'
        )


def _plain_type(kind: object) -> object:
    """A type without the scope before it."""
    if isinstance(kind, str):
        for scope in _SCOPES:
            kind = kind.removeprefix(f'{scope}.')
    return kind if isinstance(kind, str) else None
