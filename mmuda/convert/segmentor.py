# Copyright (c) mmuda authors.
"""Turning the trained network of a method into a plain mmseg segmentor."""

from collections.abc import Mapping
from typing import Any, Literal

from mmengine.config import Config
from mmengine.registry import Registry
from torch import Tensor

import mmuda.registry
from mmuda.datasets.images.image_io import UNCHANGED
from mmuda.datasets.labels.label_maps import label_set_metainfo
from mmuda.utils.config_completion import complete
from mmuda.utils.config_data import dataset_leaves
from mmuda.utils.config_keys import class_of, known_classes
from mmuda.utils.config_values import parameter_defaults
from mmuda.utils.errors import CheckpointError, ConfigError
from mmuda.utils.names import DECODE
from mmuda.utils.tool_commands import tool_command

from .state_dicts import StateDict

_IMPORTS = ('mmuda.models', 'mmuda.datasets', 'mmuda.evaluation')
_KEPT_KEYS = (
    'test_pipeline',
    'test_dataloader',
    'test_evaluator',
    'test_cfg',
    'tta_model',
    'tta_pipeline',
    'default_hooks',
    'env_cfg',
    'vis_backends',
    'visualizer',
    'log_level',
)

#: Folder that a config of mmseg's types alone names for test data.
OWN_TEST_DATA = 'data/own'

_COLOURS = 'BGR'
_TWO_SCALES = 'HRDAEncoderDecoder'
# Of a segmentor with heads for each target.
_KEYS_OF_TARGETS = (
    *('targets', 'ensemble', 'predict_head'),
    *('style_layers', 'recompute_features'),
)


def strip_segmentor_prefix(
    state_dict: Mapping[str, Tensor],
    path: str = 'the checkpoint',
    network: Literal['segmentor', 'teacher'] = 'segmentor',
) -> StateDict:
    """Keep the tensors of one network, under a plain segmentor's names.

    Args:
        state_dict: Tensors of a method (``segmentor.*``, ``discriminator.*``
            and others).
        path: The file, for messages.
        network: The network to keep.

    Raises:
        CheckpointError: If there is no such network.
    """
    prefix = f'{network}.'
    stripped = {
        name.removeprefix(prefix): tensor
        for name, tensor in state_dict.items()
        if name.startswith(prefix)
    }
    if not stripped:
        remedy = (
            'pass a checkpoint written by the training of a method'
            if network == 'segmentor'
            else 'only a training with model.teacher=True has one'
        )
        raise CheckpointError(f'{path} holds no tensor {prefix}*: {remedy}.')
    return stripped


def plain_config(cfg: Config) -> Config:
    """Make the config with which stock mmseg tools use the segmentor.

    The model becomes an ``EncoderDecoder`` with a ``SegDataPreProcessor``, of
    several heads by target the one that all targets share. If mmseg has its
    backbone and heads, all of the file is mmseg's, and mmuda need not be
    installed: what is done by classes of mmuda is left out, and a test set
    that they read is replaced by one of ``OWN_TEST_DATA``.
    Otherwise the file also has the test data, types of mmuda have its scope,
    and ``custom_imports`` registers them. So it is with
    ``test_cfg.upsample_once`` and with ``HRDAEncoderDecoder``, which mmseg
    does not know.

    Args:
        cfg: Config of a method, with ``model.segmentor``.

    Raises:
        ConfigError: If ``model.segmentor`` is missing, or images have not the
            one or three channels that mmseg's preprocessor takes.
    """
    if 'segmentor' not in cfg.get('model', {}):
        raise ConfigError(
            f'{cfg.filename} has no model.segmentor: pass the config that the'
            ' method was trained with.'
        )
    raw = _without_scope(complete(Config(cfg.to_dict())).to_dict())
    plain: dict[str, Any] = dict(model=_plain_model(raw['model']))
    plain.update({key: raw[key] for key in _KEPT_KEYS if key in raw})
    own = _own_types()
    if not _types_in(plain['model']) & own:
        plain = _without(plain, own)
    scoped = _add_scope(plain, own)
    if scoped != plain:
        scoped['custom_imports'] = dict(
            imports=list(_IMPORTS), allow_failed_imports=False
        )
    return Config(dict(default_scope='mmseg', **scoped))


def weights_of_plain(
    state_dict: Mapping[str, Tensor], cfg: Config
) -> StateDict:
    """Leave out the heads of targets if the plain model has none.

    Args:
        state_dict: Of the segmentor.
        cfg: Of :func:`plain_config`.
    """
    if 'targets' in cfg.model:
        return dict(state_dict)
    return {
        name: tensor
        for name, tensor in state_dict.items()
        if not name.startswith(('target_heads.', 'ensemble_head.'))
    }


def needed_types(cfg: Config) -> list[str]:
    """Name the types of mmuda in a plain config.

    Args:
        cfg: Of :func:`plain_config`.
    """
    prefix = 'mmuda.'
    kinds = _types_in(cfg.to_dict())
    return sorted(k.removeprefix(prefix) for k in kinds if prefix in k)


def own_parts(cfg: Config) -> dict[str, str]:
    """Name the parts of a plain model that only mmuda has.

    Args:
        cfg: Of :func:`plain_config`.

    Returns:
        Types by key, such as ``{'model.backbone': 'DeepLabResNet'}``.
    """
    found: dict[str, str] = {}

    def visit(value: Any, key: str) -> None:
        if isinstance(value, dict):
            kind = value.get('type')
            if isinstance(kind, str) and kind.startswith('mmuda.'):
                found[key] = kind.removeprefix('mmuda.')
            for name, part in value.items():
                visit(part, f'{key}.{name}')
        elif isinstance(value, list | tuple):
            for index, part in enumerate(value):
                visit(part, f'{key}[{index}]')

    visit(cfg.model.to_dict(), 'model')
    return found


def _plain_model(method: dict) -> dict:
    model = _without_start(method['segmentor'])
    upsample_once = (model.get('test_cfg') or {}).get('upsample_once', False)
    by_target = model.get('predict_head', DECODE) != DECODE
    if not by_target:
        for key in _KEYS_OF_TARGETS:
            model.pop(key, None)
    own = by_target or model['type'].removeprefix('mmuda.') == _TWO_SCALES
    if not (own or upsample_once):
        model['type'] = 'EncoderDecoder'
    elif not own:
        model['type'] = 'UDAEncoderDecoder'
    preprocessor = method.get('data_preprocessor')
    if preprocessor is not None:
        channels = len(preprocessor.get('mean') or _COLOURS)
        if channels not in (1, len(_COLOURS)):
            predict = tool_command(
                *('predict.py', 'IMAGES', '--config', 'CONFIG'),
                *('--checkpoint', 'CHECKPOINT', '--out', 'DIR'),
            )
            raise ConfigError(
                f'model.data_preprocessor: mean and std of {channels} '
                "channels; mmseg's SegDataPreProcessor takes three or one, so "
                'a plain segmentor of these images does not exist; predict '
                f'by {predict}'
            )
        preprocessor['type'] = 'SegDataPreProcessor'
        if preprocessor.get('size') is None:
            preprocessor.setdefault('size_divisor', 1)
        model['data_preprocessor'] = preprocessor
    return model


def _without_scope(value: Any) -> Any:
    """Leave out where MMEngine has found a base such as ``mmuda::...``.

    Types of mmuda are told by their names.
    """
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if k != '_scope_'}
        return {key: _without_scope(part) for key, part in kept.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_without_scope, value))
    return value


def _without_start(value: Any) -> Any:
    """Leave pretrained weights out: the checkpoint has all weights."""
    if isinstance(value, dict):
        return {
            key: _without_start(part)
            for key, part in value.items()
            if key != 'pretrained'
            and not (key == 'init_cfg' and 'Pretrained' in _types_in(part))
        }
    if isinstance(value, list | tuple):
        return type(value)(map(_without_start, value))
    return value


def _without(plain: dict, own: set[str]) -> dict:
    """Leave out what mmseg has not, as far as prediction allows."""
    steps = [_plain_step(step) for step in plain.get('test_pipeline', [])]
    kept = {
        key: value
        for key, value in plain.items()
        if key != 'default_hooks' and not _types_in(value) & own
    }
    kept['default_hooks'] = {
        name: hook
        for name, hook in (plain.get('default_hooks') or {}).items()
        if not _types_in(hook) & own
    }
    # Without backends, which have namesakes of mmuda.
    kept.setdefault('visualizer', dict(type='SegLocalVisualizer'))
    if not steps:
        return kept
    if 'test_dataloader' not in kept or 'test_evaluator' not in kept:
        kept |= _test_of_stock_types(steps, plain.get('test_dataloader'))
    return dict(kept, test_pipeline=steps)


def _test_of_stock_types(steps: list[dict], loader: Any) -> dict[str, Any]:
    """A test by mmseg alone, of images and labels that a user puts there.

    ``MMSegInferencer`` takes its pipeline from the test set.

    Args:
        steps: Of the test pipeline, without labels.
        loader: Of the method's own test set, whose classes are taken.
    """
    labels = dict(type='LoadAnnotations')
    dataset = dict(
        type='BaseSegDataset',
        data_root=OWN_TEST_DATA,
        data_prefix=dict(img_path='images', seg_map_path='labels'),
        pipeline=[*steps[:-1], labels, steps[-1]],
    )
    meta = _metainfo(loader)
    if meta:
        dataset['metainfo'] = meta
    return dict(
        test_dataloader=dict(
            batch_size=1,
            num_workers=2,
            sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=dataset,
        ),
        test_evaluator=dict(type='IoUMetric', iou_metrics=['mIoU']),
        test_cfg=dict(type='TestLoop'),
    )


def _metainfo(loader: Any) -> dict[str, Any]:
    """Classes and palette of the (first) data set of a loader, if named."""
    loader = loader[0] if isinstance(loader, list | tuple) else loader
    if not loader:
        return {}
    leaf = next(dataset_leaves(loader['dataset']))
    kind = class_of(leaf, known_classes())
    defaults = parameter_defaults(kind) if kind else {}
    label_set = leaf.get('label_set', defaults.get('label_set'))
    found = label_set_metainfo(label_set) if label_set else {}
    return found | dict(leaf.get('metainfo') or {})


def _plain_step(step: dict) -> dict:
    """A step of mmseg that does the same for a prediction."""
    kind = step['type'].removeprefix('mmuda.')
    if kind == 'LoadImage':
        kept = {k: v for k, v in step.items() if k != 'type'}
        if str(step.get('color_type')).startswith(UNCHANGED):
            # mmseg packs no 16 bits.
            kept |= dict(color_type=UNCHANGED, to_float32=True)
        return dict(type='LoadImageFromFile', **kept)
    if kind == 'Resize':
        # Pillow's filters, which that backend computes faster.
        pillow = (
            dict(backend='pillow') if step.get('backend') == 'torch' else {}
        )
        return {**step, 'type': 'mmseg.Resize', **pillow}
    if kind == 'PackDomainInputs':
        # The key that it adds is for evaluations in groups.
        return {**step, 'type': 'PackSegInputs'}
    return step


def _types_in(value: Any) -> set[str]:
    if isinstance(value, dict):
        kinds = set().union(*map(_types_in, value.values()))
        kind = value.get('type')
        return kinds | ({kind} if isinstance(kind, str) else set())
    if isinstance(value, list | tuple):
        return set().union(*map(_types_in, value))
    return set()


def _own_types() -> set[str]:
    registries = [
        value
        for value in vars(mmuda.registry).values()
        if isinstance(value, Registry)
    ]
    for registry in registries:
        registry.import_from_location()
    return {name for registry in registries for name in registry.module_dict}


def _add_scope(value: Any, own_types: set[str]) -> Any:
    if isinstance(value, dict):
        scoped = {k: _add_scope(v, own_types) for k, v in value.items()}
        if scoped.get('type') in own_types:
            scoped['type'] = f'mmuda.{scoped["type"]}'
        return scoped
    if isinstance(value, list | tuple):
        return type(value)(_add_scope(item, own_types) for item in value)
    return value
