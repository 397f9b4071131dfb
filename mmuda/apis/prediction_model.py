# Copyright (c) mmuda authors.
"""Building the network that predicts, and what it was trained for."""

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config
from mmengine.model import BaseTTAModel
from mmengine.registry import DefaultScope
from mmseg.models.segmentors.base import BaseSegmentor

from mmuda.apis.prediction_pipeline import pipeline_of
from mmuda.models.segmentors.domain_tta import DomainTTAModel
from mmuda.models.segmentors.strip_predictions import (
    ENTROPY,
    KEPT_STRIPS,
    choose_outputs,
)
from mmuda.models.trained import load_trained
from mmuda.registry import DATASETS, MODELS
from mmuda.utils.class_names import require_trained_classes
from mmuda.utils.compat import load_checkpoint_meta
from mmuda.utils.config_data import dataset_leaves
from mmuda.utils.config_keys import config_errors
from mmuda.utils.errors import ConfigError, MMUDAError
from mmuda.utils.evaluation_config import (
    use_checkpoints,
    use_head,
)
from mmuda.utils.tool_commands import tool_command
from mmuda.utils.tta import use_test_time_augmentation

#: What a prediction can hold.
OUTPUTS = ('labels', 'entropy', 'probabilities')
_FIELDS = dict(entropy=ENTROPY, probabilities=KEPT_STRIPS)
_PLAIN = ('EncoderDecoder', 'mmseg.EncoderDecoder')
_MOST_CLASSES = 255


@dataclass(frozen=True)
class DatasetMeta:
    """What the classes are called and how they are shown.

    Attributes:
        classes: Names of the C classes.
        palette: (C, 3) RGB colours.
    """

    classes: tuple[str, ...]
    palette: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Network:
    """A network that predicts.

    Attributes:
        model: In evaluation mode; merges versions of an image with
            test-time augmentation.
        steps: Configs of its pipeline, without labels.
        meta: Its classes.
        digest: Tells configs apart that predict otherwise, whatever their
            checkpoints.
    """

    model: BaseSegmentor | BaseTTAModel
    steps: list[dict]
    meta: DatasetMeta
    digest: str


def build_network(
    cfg: Config,
    checkpoints: Sequence[str],
    weights: Sequence[float] | None = None,
    tta: bool | Sequence[float] = False,
    head: str | None = None,
) -> Network:
    """Build the network of a config and fill it.

    Args:
        cfg: A config of one model; is changed.
        checkpoints: One, or one for each member of an ensemble.
        weights: Of the members; equal if None.
        tta: Predict the mean over several versions of each image, or over
            versions in these sizes, as factors of its own.
        head: As of ``use_head``.

    Raises:
        ConfigError: The config has no pipeline, or as of the functions that
            adapt it.
        CheckpointError: A checkpoint does not fit, or is none.
    """
    steps = pipeline_of(cfg)
    if head == 'own':
        raise ConfigError(
            'head own is for tests of several targets: which one an image is '
            'of is not known here; name the target'
        )
    if head is not None:
        use_head(cfg, head)
    scope = cfg.get('default_scope') or 'mmseg'
    with config_errors(cfg), DefaultScope.overwrite_default_scope(scope):
        if cfg.get('test_dataloader') or cfg.get('val_dataloader'):
            found = dataset_meta(cfg)
        else:
            found = None
        described = repr(cfg.model.to_dict())
        use_checkpoints(cfg, checkpoints, weights)
        model = _built(cfg.model)
        if len(checkpoints) == 1:
            trained = load_trained(model, checkpoints[0])
            _tell_statistics(cfg, model, checkpoints[0])
        else:
            trained = model.trained_classes
        meta = _meta_of(found, checkpoints[0], trained, model.out_channels)
        if tta:
            scales = () if isinstance(tta, bool) else tta
            model, steps = _augmented(cfg, model, steps, scales)
    model.requires_grad_(False)
    described += repr(steps)
    digest = hashlib.sha256(described.encode()).hexdigest()
    return Network(model.eval(), steps, meta, digest)


def ask_for(
    model: BaseSegmentor | BaseTTAModel, outputs: Sequence[str]
) -> None:
    """Have a model predict what is wanted beside the classes.

    Args:
        model: Of a :class:`Network`.
        outputs: Of :data:`OUTPUTS`.
    """
    wanted = [_FIELDS[name] for name in outputs if name in _FIELDS]
    if isinstance(model, DomainTTAModel):
        model.choose_outputs(wanted)
    elif not isinstance(model, BaseTTAModel):
        choose_outputs(model, wanted)


def _built(model: Mapping[str, Any]) -> BaseSegmentor:
    """Build a model; of mmseg's plain one the kind that needs less memory."""
    if model.get('type') in _PLAIN:
        # With heads that it can't train it is mmseg's.
        with suppress(ConfigError):
            return MODELS.build({**model, 'type': 'mmuda.UDAEncoderDecoder'})
    return MODELS.build(model)


def _tell_statistics(cfg: Config, model: BaseSegmentor, file: str) -> None:
    options = cfg.model.get('norm_statistics') or 'mixed'
    mode = options if isinstance(options, str) else options.get('mode')
    if mode == 'target' and not model.has_target_statistics:
        warnings.warn(
            f'{file} has no running statistics of the target, by which '
            'norm_statistics of the config predicts: those of the training '
            f'are used ({tool_command("test.py")} measures the others)',
            stacklevel=4,
        )


def _augmented(
    cfg: Config,
    model: BaseSegmentor,
    steps: Sequence[dict],
    scales: Sequence[float],
) -> tuple[BaseTTAModel, list[dict]]:
    """Wrap a model for test-time augmentation."""
    part = Config(dict(test_dataloader=dict(dataset=dict(pipeline=steps))))
    for key in ('tta_model', 'tta_pipeline'):
        if key in cfg:
            part[key] = cfg[key]
    part.model = {}
    use_test_time_augmentation(part, scales)
    merging = {k: v for k, v in part.model.items() if k != 'module'}
    return (
        MODELS.build(dict(merging, module=model)),
        pipeline_of(part),
    )


def dataset_meta(cfg: Config) -> DatasetMeta | None:
    """Classes of the test data of a config; its files need not be there.

    Args:
        cfg: With a loader to test or validate.
    """
    for event in ('test', 'val'):
        loader = cfg.get(f'{event}_dataloader')
        loader = loader[0] if isinstance(loader, list | tuple) else loader
        if loader:
            leaf = dict(next(dataset_leaves(loader['dataset'])))
            leaf.update(lazy_init=True, pipeline=[])
            leaf.pop('image_cache', None)
            with suppress(MMUDAError, OSError, TypeError):
                return _as_meta(DATASETS.build(leaf).metainfo)
    return None


def _as_meta(found: Mapping[str, Any]) -> DatasetMeta | None:
    classes, palette = found.get('classes'), found.get('palette')
    if not classes or not palette or len(classes) > len(palette):
        return None
    return DatasetMeta(
        tuple(map(str, classes)),
        tuple(tuple(map(int, colour)) for colour in palette)[: len(classes)],
    )


def _meta_of(
    of_config: DatasetMeta | None,
    checkpoint: str,
    trained: tuple[str, ...] | None,
    channels: int,
) -> DatasetMeta:
    """Names and colours of what a network was trained for."""
    count = max(channels, 2)
    if count > _MOST_CLASSES:
        raise ConfigError(
            f'{count} classes: predictions hold {_MOST_CLASSES} at most'
        )
    stored = load_checkpoint_meta(checkpoint).get('dataset_meta')
    of_file = _as_meta(stored) if isinstance(stored, Mapping) else None
    if of_config and trained:
        require_trained_classes(
            trained, of_config.classes, checkpoint, 'test data of the config'
        )
    for meta in (of_file, of_config):
        if meta and len(meta.classes) == count:
            return meta
    warnings.warn(
        f'neither {checkpoint} nor the config names {count} classes with '
        'their colours: they are numbered',
        stacklevel=4,
    )
    classes = trained if trained and len(trained) == count else None
    return DatasetMeta(
        classes or tuple(map(str, range(count))), _some_colours(count)
    )


def _some_colours(count: int) -> tuple[tuple[int, ...], ...]:
    """Colours that differ, by the bits of the class as of PASCAL VOC."""
    colours = []
    for number in range(1, count + 1):
        colour, rest = [0, 0, 0], number
        for shift in range(7, -1, -1):
            for channel in range(3):
                colour[channel] |= (rest >> channel & 1) << shift
            rest >>= 3
        colours.append(tuple(colour))
    return tuple(colours)
