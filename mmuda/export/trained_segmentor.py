# Copyright (c) mmuda authors.
"""The network of a checkpoint that predicts, and what one must know of it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner.checkpoint import load_state_dict
from mmseg.models.segmentors.base import BaseSegmentor

from mmuda.convert import find_state_dict, strip_segmentor_prefix
from mmuda.models.input_channels import first_channels
from mmuda.models.trained import check_cover
from mmuda.registry import DATASETS, MODELS
from mmuda.utils.class_names import stored_classes
from mmuda.utils.compat import load_checkpoint_file, local_checkpoint
from mmuda.utils.config_data import dataset_leaves
from mmuda.utils.config_keys import config_errors, type_name
from mmuda.utils.errors import CheckpointError, ConfigError, MMUDAError
from mmuda.utils.setup_env import register_all_modules
from mmuda.utils.weights import check_finite

Size = tuple[int, int]

_PADDED = 'data_preprocessor.test_cfg'


@dataclass(frozen=True)
class Normalisation:
    """How an RGB image becomes what a network sees.

    Attributes:
        mean: Of red, green and blue, in levels from 0 to 255.
        std: Their deviations.
        channels: Order in which the network sees them, ``RGB`` or ``BGR``.
        divisor: Of which padded sides are multiples; 1 pads nothing.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    channels: str
    divisor: int = 1


@dataclass(frozen=True)
class TestedSize:
    """The size that a config shows images in when it tests.

    Attributes:
        size: Height and width.
        keep_ratio: Whether images keep their shape, inside a box of this size.
        turns_upright: Whether the box is turned for upright images.
    """

    size: Size
    keep_ratio: bool = False
    turns_upright: bool = False


@dataclass(frozen=True)
class TrainedSegmentor:
    """A segmentor with its trained weights.

    Attributes:
        network: In evaluation mode.
        name: Of the network in the checkpoint, ``segmentor`` or ``teacher``;
            empty in a checkpoint of one network alone.
        classes: Names of the C classes.
        palette: Their RGB colours.
        normalisation: Of its images.
        tested: Size that the config tests images in, None if it names none.
        window: Crop size and stride of the config's sliding windows, each as
            height and width; None if it does not slide.
    """

    network: BaseSegmentor
    name: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, ...], ...]
    normalisation: Normalisation
    tested: TestedSize | None
    window: tuple[Size, Size] | None


def load_segmentor(cfg: Config, path: str) -> TrainedSegmentor:
    """Build the network that a config predicts with, and fill it.

    Args:
        cfg: Of a method, whose ``predict_on`` and ``predict_head`` count, or
            of a plain segmentor.
        path: Checkpoint of its training, or of the plain segmentor.

    Raises:
        ConfigError: The config has no single segmentor.
        CheckpointError: The file can't be read, does not fit, or tells no
            classes that the config could tell.
    """
    checkpoint = load_checkpoint_file(path)
    state = find_state_dict(checkpoint, path)
    segmentor, name = _segmentor_of(cfg)
    if any(key.startswith('segmentor.') for key in state):
        name = name or 'segmentor'
        state = strip_segmentor_prefix(state, path, name)  # type: ignore[arg-type]
    else:
        name = ''
    check_finite(state, path)
    register_all_modules(init_default_scope=False)
    scope = cfg.get('default_scope') or 'mmseg'
    with config_errors(cfg), DefaultScope.overwrite_default_scope(scope):
        network = MODELS.build(segmentor)
    check_cover(network, state, '', path)
    _require_colours(cfg, first_channels(network))
    load_state_dict(network, state)
    classes, palette = _classes_of(cfg, checkpoint, network.num_classes, path)
    return TrainedSegmentor(
        network.requires_grad_(False).eval(),
        name,
        classes,
        palette,
        _normalisation(cfg.model.get('data_preprocessor') or {}),
        _tested_size(cfg),
        _window(segmentor.get('test_cfg') or {}),
    )


def _require_colours(cfg: Config, channels: int | None) -> None:
    """Refuse networks of other images than exported files take.

    Args:
        cfg: Of the network.
        channels: That its first layer takes.
    """
    if channels not in (None, 3):
        raise ConfigError(
            f'the network takes {channels} channel(s); what is exported takes '
            'RGB images'
        )
    for step in cfg.get('test_pipeline') or ():
        # As they are stored, of 16 bits or floats.
        if str(step.get('color_type')).startswith('unchanged'):
            raise ConfigError(
                "test_pipeline: LoadImage(color_type='unchanged') gives "
                'numbers of any range; what is exported takes RGB images of 8 '
                "bits: if yours are such, set color_type='color'"
            )


def _segmentor_of(cfg: Config) -> tuple[dict, str]:
    """Config of the segmentor, and its name in a checkpoint of a method."""
    model = cfg.get('model') or {}
    if 'segmentor' in model:
        return model['segmentor'], model.get('predict_on') or 'segmentor'
    if 'decode_head' in model:
        plain = {k: v for k, v in model.items() if k != 'data_preprocessor'}
        return plain, ''
    raise ConfigError(
        f'{cfg.filename}: a file holds one network, but the model is a '
        f'{model.get("type")!r}; pass the config of a method '
        '(model.segmentor) or of a plain segmentor (model.decode_head)'
    )


def _normalisation(preprocessor: Mapping[str, Any]) -> Normalisation:
    padding = preprocessor.get('test_cfg') or {}
    if padding.get('size') is not None:
        raise ConfigError(
            f'{_PADDED}.size={padding["size"]} pads all images to one size; '
            'set size_divisor in its place, or nothing'
        )
    mean = preprocessor.get('mean') or (0, 0, 0)
    std = preprocessor.get('std') or (1, 1, 1)
    if len(mean) != 3 or len(std) != 3:
        raise ConfigError(
            f'data_preprocessor: {len(mean)} channels; what is exported takes '
            'RGB images'
        )
    # Images are read as BGR.
    is_rgb = any(preprocessor.get(k) for k in ('bgr_to_rgb', 'rgb_to_bgr'))
    order = 1 if is_rgb else -1
    return Normalisation(
        tuple(map(float, mean))[::order],
        tuple(map(float, std))[::order],
        'RGB' if is_rgb else 'BGR',
        padding.get('size_divisor') or 1,
    )


def _tested_size(cfg: Config) -> TestedSize | None:
    for step in cfg.get('test_pipeline') or ():
        name, scale = type_name(step), step.get('scale')
        if name not in ('Resize', 'ResizeToFit') or scale is None:
            continue
        width, height = (scale, scale) if isinstance(scale, int) else scale
        # Only mmcv's turns the box.
        turns = name == 'Resize' and bool(step.get('keep_ratio'))
        size = int(height), int(width)
        return TestedSize(size, turns or name == 'ResizeToFit', turns)
    return None


def _window(test_cfg: Mapping[str, Any]) -> tuple[Size, Size] | None:
    if test_cfg.get('mode', 'whole') != 'slide':
        return None
    return _pair(test_cfg['crop_size']), _pair(test_cfg['stride'])


def _pair(size: int | Sequence[int]) -> Size:
    height, width = (size, size) if isinstance(size, int) else size
    return height, width


def _classes_of(
    cfg: Config, checkpoint: Mapping[str, Any], count: int, path: str
) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """Names and colours by the checkpoint, else by the data of the config."""
    meta = checkpoint.get('meta') or {}
    stored = meta.get('dataset_meta') or meta
    of_data = _data_meta(cfg)
    classes = stored_classes(checkpoint) or tuple(of_data.get('classes', ()))
    if len(classes) != count:
        raise CheckpointError(
            f'{path} tells no names of its {count} classes, and the test data '
            f'of the config {len(classes) or "none"}; add them as '
            "meta['dataset_meta'] = dict(classes=..., palette=...)"
        )
    for found in (stored, of_data):
        palette = found.get('palette', found.get('PALETTE')) or ()
        if len(palette) >= count:
            colours = (tuple(map(int, colour)) for colour in palette[:count])
            return classes, tuple(colours)
    drawn = np.random.default_rng(0).integers(0, 256, (count, 3))
    return classes, tuple(tuple(map(int, colour)) for colour in drawn)


def _data_meta(cfg: Config) -> Mapping[str, Any]:
    """Of the test data, whose files need not be there."""
    loader = cfg.get('test_dataloader')
    loader = loader[0] if isinstance(loader, list | tuple) else loader
    if not loader:
        return {}
    leaf = dict(next(dataset_leaves(loader['dataset'])))
    leaf.update(lazy_init=True, pipeline=[])
    with suppress(MMUDAError, OSError, TypeError):
        return DATASETS.build(leaf).metainfo
    return {}


def file_name(path: str) -> str:
    """Name of a checkpoint's file, without its folder.

    Args:
        path: File or address.
    """
    return Path(local_checkpoint(path)).name
