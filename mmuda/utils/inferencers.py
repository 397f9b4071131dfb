# Copyright (c) mmuda authors.
"""MMEngine's inferencers, such as ``MMSegInferencer``, with our configs."""

from collections.abc import Mapping, Sequence
from functools import wraps
from typing import Any

from mmengine.config import Config
from mmengine.infer import BaseInferencer
from mmengine.registry import init_default_scope
from torch import nn

from mmuda.utils.checkpoint_configs import config_of_checkpoint
from mmuda.utils.config_data import dataset_leaves, without_label_loaders
from mmuda.utils.setup_env import register_all_modules

# What inferencers look for, and put a reader of files and arrays in its place.
_LOADER = 'LoadImageFromFile'
_OWN_LOADERS = ('LoadImage', 'mmuda.LoadImage')


def support_inferencers() -> None:
    """Let inferencers build our models and read images for them.

    They take the default scope of their own package, know no image reader but
    ``LoadImageFromFile``, and run the text of a config that they find in a
    checkpoint. With this a config of mmuda, or one that imports mmuda, is
    built in its own scope from what is registered, and a checkpoint alone by
    its config as data.
    """
    build = BaseInferencer._init_model
    if hasattr(build, 'knows_mmuda'):
        return

    @wraps(build)
    def init_model(
        self: BaseInferencer,
        cfg: Config,
        weights: str | None,
        device: str = 'cpu',
    ) -> nn.Module:
        if not cfg and weights is not None:
            cfg.update(config_of_checkpoint(weights)._cfg_dict)
        if _is_of_mmuda(cfg):
            _prepare(cfg)
        return build(self, cfg, weights, device)

    vars(init_model)['knows_mmuda'] = True
    BaseInferencer._init_model = init_model


def _is_of_mmuda(cfg: Mapping[str, Any]) -> bool:
    imports = (cfg.get('custom_imports') or {}).get('imports') or []
    imports = [imports] if isinstance(imports, str) else imports
    return cfg.get('default_scope') == 'mmuda' or any(
        str(name).split('.')[0] == 'mmuda' for name in imports
    )


def _prepare(cfg: Config) -> None:
    """Register what a config names, and name a reader that is known."""
    register_all_modules(init_default_scope=False)
    if cfg.get('default_scope') == 'mmuda':
        init_default_scope('mmuda')
    loaders = cfg.get('test_dataloader')
    if not loaders:
        return
    if isinstance(loaders, Sequence):
        # Several targets: all are shown through the first one's pipeline.
        cfg['test_dataloader'] = loaders[0]
    leaf = next(dataset_leaves(cfg['test_dataloader']['dataset']))
    steps = without_label_loaders(leaf['pipeline'])
    for step in steps:
        if step['type'] in _OWN_LOADERS:
            step['type'] = _LOADER
    cfg['test_dataloader']['dataset'] = dict(leaf, pipeline=steps)
