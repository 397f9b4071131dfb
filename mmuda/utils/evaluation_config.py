# Copyright (c) mmuda authors.
"""Adapting a config to what a test run is asked for."""

import copy
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from mmengine.config import Config, ConfigDict

from mmuda.utils.config_data import LABEL_LOADERS
from mmuda.utils.config_keys import did_you_mean, type_name
from mmuda.utils.errors import ConfigError
from mmuda.utils.files import require_writable_folder
from mmuda.utils.mixed_precision import Precision
from mmuda.utils.names import DECODE, ENSEMBLE, head_name

Protocol = Literal['native', 'published']
AT_INPUT_SIZE = 'EvaluateAtInputSize'


def use_head(cfg: Config, name: str) -> None:
    """Choose the head that predicts, in place.

    Args:
        cfg: A config of a single model.
        name: ``agnostic``, which a network with one main head has too; of a
            ``MultiHeadEncoderDecoder`` also ``ensemble``, a target, ``own``
            for each target's own head, or what ``predict_head`` may be.

    Raises:
        ConfigError: The model has no such head, or ``own`` is asked for and
            the targets are not tested one by one.
    """
    segmentor = cfg.model.get('segmentor') or cfg.model
    targets = list(segmentor.get('targets') or [])
    if not targets:
        _require_main_head(segmentor, name)
        return
    heads = {'agnostic': DECODE, DECODE: DECODE}
    if segmentor.get('ensemble'):
        heads[ENSEMBLE] = ENSEMBLE
    for target in targets:
        own = head_name(target)
        heads |= {own: own, target: own}
    if name == 'own':
        _use_own_heads(cfg)
    elif name in heads:
        segmentor.predict_head = heads[name]
    else:
        choice = ['own', *heads]
        raise ConfigError(
            f'--head {name}: the model has no such head; choose one of '
            f'{", ".join(choice)}{did_you_mean(name, choice)}'
        )


def use_protocol(cfg: Config, protocol: Protocol) -> None:
    """Choose the resolution at which predictions are judged, in place.

    Args:
        cfg: A config with ``test_dataloader``, one or a list of several.
        protocol: ``native`` resizes logits to each label at its own size,
            ``published`` each label to what the network sees (MTAF, CoaST,
            MLCL).

    Raises:
        ConfigError: A pipeline does not load an image and its labels and
            pack them at the end.
    """
    for loader in _as_list(cfg.test_dataloader):
        steps = [
            step
            for step in loader.dataset.get('pipeline', [])
            if type_name(step) != AT_INPUT_SIZE
        ]
        kinds = [type_name(step) for step in steps]
        found = [i for i, kind in enumerate(kinds) if kind in LABEL_LOADERS]
        if not (
            len(found) == 1
            and kinds[0] in ('LoadImage', 'LoadImageFromFile')
            and kinds[-1].startswith('Pack')
        ):
            raise ConfigError(
                f'--protocol {protocol}: the pipeline of a test set must '
                'start with LoadImage, have LoadLabels and end in '
                f'PackSegInputs (no test-time augmentation), not {kinds}'
            )
        labels = steps.pop(found[0])
        if protocol == 'published':
            # Loaded before Resize, labels are resized with the image.
            steps.insert(1, labels)
            steps.insert(-1, dict(type=AT_INPUT_SIZE))
        else:
            steps.insert(-1, labels)
        loader.dataset.pipeline = steps


def ensemble_weights(
    count: int, weights: Sequence[float] | None = None
) -> list[float]:
    """Weight of each member of an ensemble.

    Args:
        count: Number of members.
        weights: Weight of each; equal if None.

    Raises:
        ConfigError: There are not as many weights as members, or one is
            negative, no number or infinite, or all are 0.
    """
    if weights is None:
        return [1 / count] * count
    if len(weights) != count:
        raise ConfigError(
            f'{count} checkpoints need as many weights, got {len(weights)}'
        )
    if not all(0 <= w < math.inf for w in weights) or not any(weights):
        given = ' '.join(f'{weight:g}' for weight in weights)
        raise ConfigError(
            f'--weights {given}: must be at least 0, and not all 0'
        )
    return list(weights)


def use_checkpoints(
    cfg: Config,
    checkpoints: Sequence[str],
    weights: Sequence[float] | None = None,
) -> None:
    """Test one model, or the weighted sum of several, in place.

    Args:
        cfg: A config of a single model.
        checkpoints: One checkpoint, or one for each member of an ensemble.
        weights: Weight of each member; equal if None.

    Raises:
        ConfigError: As of :func:`ensemble_weights`.
    """
    ensemble_weights(len(checkpoints), weights)
    # The config in the work dir of a resumed run says otherwise.
    cfg.resume = False
    _predict_by_statistics(cfg)
    if len(checkpoints) == 1:
        cfg.load_from = checkpoints[0]
        return
    cfg.load_from = None
    cfg.model = dict(
        type='SegmentorEnsemble',
        models=[copy.deepcopy(cfg.model) for _ in checkpoints],
        checkpoints=list(checkpoints),
        weights=None if weights is None else list(weights),
        data_preprocessor=cfg.model.get('data_preprocessor'),
    )


def _predict_by_statistics(cfg: Config) -> None:
    """Measure statistics of the target where a checkpoint lacks them."""
    options = cfg.model.get('norm_statistics')
    if isinstance(options, str):
        options = dict(mode=options)
    options = dict(options or dict(mode='mixed'))
    if options.pop('mode', 'target') == 'target':
        _add_hook(cfg, dict(options, type='TargetNormStatisticsHook'))


def save_predictions(cfg: Config, folder: str | os.PathLike) -> None:
    """Write predictions as images of train ids, in place.

    Args:
        cfg: A test config; its evaluator writes no predictions of its own.
        folder: Where the images go; into a subfolder for each target where
            several are tested.

    Raises:
        ConfigError: The folder is not writable.
    """
    require_writable_folder(folder, '--out')
    _write_by_hooks(cfg)
    _add_hook(cfg, dict(type='PredictionFilesHook', out_dir=str(folder)))


def export_predictions(
    cfg: Config, folder: str | os.PathLike, server: str
) -> None:
    """Write predictions as the server of a benchmark wants them, in place.

    Args:
        cfg: A test config; its evaluator writes no predictions of its own.
        folder: As of :func:`save_predictions`.
        server: Name of the format, see ``PredictionExportHook``.

    Raises:
        ConfigError: The folder is not writable.
    """
    require_writable_folder(folder, '--export')
    _write_by_hooks(cfg)
    hook = dict(type='PredictionExportHook', out_dir=str(folder))
    _add_hook(cfg, dict(hook, server=server))


def require_no_predictions(folder: str | os.PathLike) -> None:
    """Refuse a folder with predictions of an earlier run.

    A server would take those of two models, or of a run that was killed, for
    those of one.

    Args:
        folder: Of the export; it need not be there.

    Raises:
        ConfigError: There are PNGs in it.
    """
    first = next(Path(folder).rglob('*.png'), None)
    if first is not None:
        raise ConfigError(
            f'--export {folder}: it holds predictions of an earlier run, '
            f'such as {str(first)!r}, which a server would take for those of '
            'this one; name another folder, or remove them'
        )


def _write_by_hooks(cfg: Config) -> None:
    """Leave out what metrics would write."""
    for metric in _metrics(cfg):
        # mmseg's way names files after the image alone.
        metric.pop('output_dir', None)
        if metric.get('format_only') and type_name(metric) == 'IoUMetric':
            # Writing them was all it had to do.
            metric['type'] = 'DomainIoUMetric'


def draw_predictions(
    cfg: Config,
    folder: str | os.PathLike | None = None,
    show: bool = False,
    wait_time: float = 0.0,
) -> None:
    """Draw the predictions over the images, with a legend, in place.

    Args:
        cfg: A test config.
        folder: Where to write the drawings; None writes none.
        show: Open a window for each image.
        wait_time: Seconds each window stays; 0 waits for a key.

    Raises:
        ConfigError: If the folder is not writable.
    """
    # Assigned first: a config copies what it is given.
    if 'visualizer' not in cfg:
        backends = [dict(type='LocalVisBackend')]
        cfg.visualizer = dict(type='LegendVisualizer', vis_backends=backends)
    elif type_name(cfg.visualizer) == 'SegLocalVisualizer':
        cfg.visualizer.type = 'LegendVisualizer'
    if folder is not None:
        require_writable_folder(folder, '--show-dir')
        folder = str(folder)
    hook = dict(type='PredictionDrawingHook', out_dir=folder)
    _add_hook(cfg, dict(hook, show=show, wait_time=wait_time))


def predict_in(cfg: Config, precision: Precision) -> None:
    """Test in mixed precision, in place.

    Args:
        cfg: A test config.
        precision: ``fp32`` changes nothing.
    """
    if precision != 'fp32':
        _add_hook(cfg, dict(type='MixedPrecisionHook', precision=precision))


def _require_main_head(segmentor: dict, name: str) -> None:
    """Raise a ConfigError unless the only head that predicts is asked for."""
    kind = segmentor.get('type')
    if 'decode_head' not in segmentor:
        raise ConfigError(
            f"--head {name}: '{kind}' has no decode_head of its own; the "
            'option is for the config of a single network'
        )
    if name != 'agnostic':
        raise ConfigError(
            f"--head {name}: the segmentor ('{kind}') has one main head, "
            'which is --head agnostic; only MultiHeadEncoderDecoder has '
            'several'
        )


def _use_own_heads(cfg: Config) -> None:
    loop = cfg.get('test_cfg')
    if type_name(loop or {}) != 'MultiTargetTestLoop':
        raise ConfigError(
            "--head own needs test_cfg.type='MultiTargetTestLoop', with a "
            'test set for each target; for one test set name the target'
        )
    loop.own_heads = True


def _add_hook(cfg: Config, hook: dict) -> None:
    cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), hook]


def _metrics(cfg: Config) -> Iterator[dict]:
    """Metrics of the test, of all targets."""
    evaluators = cfg.get('test_evaluator') or []
    for evaluator in _as_list(evaluators) if evaluators else []:
        yield from (
            [evaluator]
            if isinstance(evaluator, dict) and 'metrics' not in evaluator
            else _as_list(evaluator)
        )


def _as_list(value: ConfigDict | list[ConfigDict]) -> list[ConfigDict]:
    """Unpack what mmengine takes as one, as a list or as an evaluator."""
    if isinstance(value, list):
        return value
    return _as_list(value['metrics']) if 'metrics' in value else [value]
