# Copyright (c) mmuda authors.
"""Making a training config measurable: smaller, and without weight files."""

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config, ConfigDict

from mmuda.utils.errors import ConfigError
from mmuda.utils.names import DECODE, SOURCE, TARGET

_BOTTLENECK_DEPTHS = (50, 101, 152)
_MIN_SIDE = 32
# Weights of ADVENT's released configuration, for configs without any.
_WEIGHTS = dict(decode=1e-3, aux=2e-4)
Size = tuple[int, int]


def without_pretrained(cfg: Config) -> None:
    """Let all weights start at random, in place."""
    for node in _walk(cfg.model):
        init_cfg = node.get('init_cfg')
        if isinstance(init_cfg, dict) and init_cfg.get('type') == 'Pretrained':
            node['init_cfg'] = None
        if isinstance(node.get('pretrained'), str):
            node['pretrained'] = None


def set_depth(cfg: Config, depth: int) -> None:
    """Choose the depth of the ResNet, in place.

    Args:
        cfg: A training config.
        depth: 50, 101 or 152.

    Raises:
        ConfigError: The network is no ResNet of bottleneck blocks.
    """
    backbone = cfg.model.segmentor.backbone
    if not {backbone.get('depth'), depth} <= set(_BOTTLENECK_DEPTHS):
        raise ConfigError(
            f'--depth {depth}: needs a config with a ResNet of depth '
            f'{_BOTTLENECK_DEPTHS} and one of these numbers; this backbone is '
            f'{backbone.type} of depth {backbone.get("depth")}'
        )
    backbone.depth = depth


def scale_sizes(cfg: Config, factor: float) -> None:
    """Multiply the image sizes of all pipelines, in place.

    Raises:
        ConfigError: The factor is not positive.
    """
    if factor <= 0:
        raise ConfigError(f'--size-factor must be positive, not {factor}')
    if factor == 1:
        return
    for part in ('train_dataloader', 'val_dataloader', 'pseudo_labels'):
        for node in _walk(cfg.get(part)):
            for key in ('scale', 'crop_size'):
                if isinstance(node.get(key), (list, tuple)):
                    node[key] = scaled(node[key], factor)


def scaled(size: Size, factor: float) -> Size:
    """Multiply a size, to at least the 32 pixels of a discriminator."""
    return tuple(max(_MIN_SIDE, round(side * factor)) for side in size)


def image_sizes(cfg: Config) -> dict[str, Size]:
    """Width and height of the training images of source and target.

    Raises:
        ConfigError: The config has no target, or a pipeline no fixed size.
    """
    return {
        name: _pipeline_size(name, part.pipeline)
        for name, part in domain_configs(cfg).items()
    }


def domain_configs(cfg: Config) -> dict[str, ConfigDict]:
    """Data set configs of source and (first) target of the training.

    Raises:
        ConfigError: The config has no source or no target.
    """
    dataset = cfg.train_dataloader.dataset
    targets = [
        dataset.get('target'),
        *(dataset.get('targets') or {}).values(),
    ]
    target = next((part for part in targets if part), None)
    parts = {SOURCE: dataset.get(SOURCE), TARGET: target}
    for name, part in parts.items():
        if isinstance(part, (list, tuple)):
            part = part[0]
        while part and 'dataset' in part:  # of a rule that samples
            part = part['dataset']
        parts[name] = part
        if not part:
            raise ConfigError(
                f'the benchmark needs a config with a {name} domain, '
                'such as configs/advent/gta2cs.py'
            )
    return parts


def method_configs(cfg: Config) -> dict[str, dict[str, Any]]:
    """Configs of AdvEnt and MinEnt models on the config's segmentor."""
    model = cfg.model
    heads = {DECODE}
    if isinstance(model.segmentor.get('auxiliary_head'), dict):
        heads.add('aux')
    weights = model.get('adversarial_weights') or model.get('entropy_weights')
    weights = weights or {k: v for k, v in _WEIGHTS.items() if k in heads}
    discriminator = dict(
        type='MultiLevelDiscriminator',
        levels=list(weights),
        in_channels=model.segmentor.decode_head.num_classes,
    )
    if model.type == 'AdvEnt':
        discriminator = model.discriminator
    common = dict(
        data_preprocessor=model.data_preprocessor, segmentor=model.segmentor
    )
    return {
        'AdvEnt': common
        | dict(
            type='AdvEnt',
            adversarial_weights=weights,
            discriminator=discriminator,
        ),
        'MinEnt': common | dict(type='MinEnt', entropy_weights=weights),
    }


def optimizer_config(cfg: Config, method: str) -> dict[str, Any]:
    """Config of the optimizers, those of ADVENT where it names none."""
    given = cfg.optim_wrapper
    config = dict(
        constructor='MultiOptimWrapperConstructor',
        segmentor=given.get('segmentor')
        or _optimizer(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=5e-4),
    )
    if method == 'AdvEnt':
        config['discriminator'] = given.get('discriminator') or _optimizer(
            type='Adam', lr=1e-4, betas=(0.9, 0.99)
        )
    return config


def _optimizer(**optimizer: Any) -> dict[str, Any]:
    return dict(type='OptimWrapper', optimizer=optimizer)


def _pipeline_size(name: str, pipeline: list[ConfigDict]) -> Size:
    """Width and height after the last transform that fixes them."""
    for transform in reversed(pipeline):
        if transform.get('crop_size'):
            height, width = transform.crop_size
            return width, height
        if transform.type == 'Resize' and not transform.get('keep_ratio'):
            return tuple(transform.scale)
    raise ConfigError(
        f'the {name} pipeline has no Resize or RandomCrop of a fixed size'
    )


def _walk(node: Any) -> Iterator[dict]:
    """Yield all dicts of a nested config."""
    if isinstance(node, dict):
        yield node
        for child in list(node.values()):
            yield from _walk(child)
    elif isinstance(node, (list, tuple)):
        for child in node:
            yield from _walk(child)
