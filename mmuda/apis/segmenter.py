# Copyright (c) mmuda authors.
"""One object that predicts images, folders and videos."""

import os
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmseg.structures import SegDataSample
from torch import Tensor

from mmuda.apis.prediction_inputs import (
    ChannelOrder,
    InputWarning,
    Item,
    is_single,
    items_of,
)
from mmuda.apis.prediction_model import OUTPUTS, ask_for, build_network
from mmuda.apis.prediction_pipeline import (
    PredictionPipeline,
    Shown,
    training_size,
    usual_values,
)
from mmuda.apis.segmentation import Segmentation
from mmuda.models.losses import entropy_map
from mmuda.models.segmentors.strip_predictions import STRIPS
from mmuda.models.segmentors.strips import Strips
from mmuda.utils.checkpoint_configs import config_of_checkpoint
from mmuda.utils.checks import COUNT, one_of
from mmuda.utils.config import load_config, with_options
from mmuda.utils.devices import device_of
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.jobs import in_threads
from mmuda.utils.mixed_precision import Precision, computing_in, lay_out
from mmuda.utils.names import IGNORE_ID
from mmuda.utils.setup_env import register_all_modules
from mmuda.utils.threads import usable_cores

_Path = str | os.PathLike
_MOST_WORKERS = 8
OnError = Callable[[Item, DataError], None]


class Segmenter:
    """A trained network that predicts whatever images it is given.

    Threads may share it.

    Images are shown to it as the config tests them, without labels, and
    predicted by the network that the config tests (``predict_on``).

    Args:
        config: A config: its path, name, or what was read of it; None for
            the one that is recorded in the checkpoint, which is read as data.
        checkpoint: File or address of the weights; several make an ensemble,
            by the weighted sum of their logits.
        device: ``cpu``, ``cuda`` or ``cuda:N``; None for the one that MMEngine
            takes.
        options: Values that replace those of the config, by dotted key, such
            as ``{'model.segmentor.test_cfg.mode': 'slide'}``.
        weights: Of the members of an ensemble; equal by default.
        tta: Predict the mean over each image and its mirror image, or over
            what ``tta_pipeline`` of the config has; numbers are factors of the
            size at which the network sees it, such as ``(0.75, 1, 1.25)``.
        head: The head that predicts, where targets have their own.
        precision: In which networks compute.

    Attributes:
        classes: Names of the C classes.
        palette: (C, 3) RGB colours of the classes.
        model: The network, in evaluation mode.
        device: Where it is.
        config_digest: Tells configs apart that predict otherwise.

    Raises:
        ConfigError: The config is missing or wrong, or there is no such
            device.
        CheckpointError: A checkpoint is missing, damaged or of another
            network, or holds no config.
    """

    def __init__(
        self,
        config: _Path | Config | None = None,
        checkpoint: _Path | Sequence[_Path] = (),
        device: str | torch.device | None = None,
        *,
        options: Mapping[str, Any] | None = None,
        weights: Sequence[float] | None = None,
        tta: bool | Sequence[float] = False,
        head: str | None = None,
        precision: Precision = 'fp32',
    ) -> None:
        if isinstance(checkpoint, str | os.PathLike):
            checkpoint = [checkpoint]
        files = [str(file) for file in checkpoint or ()]
        if not files:
            raise ConfigError(
                'a network predicts by trained weights: pass checkpoint=FILE'
            )
        self.device = device_of(device)
        register_all_modules(init_default_scope=False)
        cfg = _config(config, files[0], options or {})
        size, usual = training_size(cfg), usual_values(cfg)
        network = build_network(cfg, files, weights, tta, head)
        self.precision = precision
        self.model = network.model.to(self.device)
        if precision != 'fp32':
            lay_out(self.model, precision, self.device.type)
        self.classes, self.palette = network.meta.classes, network.meta.palette
        self.config_digest = network.digest
        scope = cfg.get('default_scope') or 'mmseg'
        with DefaultScope.overwrite_default_scope(scope):
            self._pipeline = PredictionPipeline(network.steps, size, usual)
        self._told: set[str] = set()
        self._asked: frozenset[str] | None = None
        self._lock = threading.Lock()

    def predict(
        self,
        inputs: Any,
        batch_size: int = 1,
        outputs: str | Sequence[str] = ('labels',),
        channel_order: ChannelOrder = 'bgr',
        workers: int | None = None,
        on_error: OnError | None = None,
    ) -> Segmentation | Iterator[Segmentation]:
        """Predict an image, or one after another.

        Args:
            inputs: An array (H, W, 3), an image of Pillow or the path of an
                image; or a folder, which is searched with all folders in it,
                a video, the number of a camera, or a list or generator of
                arrays and paths.
            batch_size: Images that are predicted together if the network sees
                them at one size; on a CPU more than 1 gains nothing, and
                rounds differently.
            outputs: What is wanted beside ``labels``, of which nothing else is
                computed: ``entropy`` and ``probabilities``.
            channel_order: Of arrays: ``bgr`` as of OpenCV and mmseg, or
                ``rgb``.
            workers: Threads that read and prepare images ahead; None for what
                the machine has.
            on_error: Is told of each image that can't be read, which is left
                out; None raises.

        Returns:
            A :class:`Segmentation` of one image; of all else an iterator,
            which asks for images as they are needed, some at a time.

        Raises:
            ConfigError: An argument is wrong.
            DataError: An image, folder or video is missing, damaged or holds
                no pixels.
        """
        COUNT.require(batch_size, 'batch_size')
        one_of(('bgr', 'rgb')).require(channel_order, 'channel_order')
        outputs = [outputs] if isinstance(outputs, str) else outputs
        for name in outputs:
            one_of(OUTPUTS).require(name, 'outputs')
        if workers is not None:
            COUNT.require(workers, 'workers')
        results = self._results(
            items_of(inputs),
            batch_size,
            frozenset(outputs),
            channel_order,
            workers or min(_MOST_WORKERS, usable_cores()),
            on_error,
        )
        return next(results) if is_single(inputs) else results

    def _results(
        self,
        items: Iterator[Item],
        batch_size: int,
        outputs: frozenset[str],
        order: ChannelOrder,
        workers: int,
        on_error: OnError | None,
    ) -> Iterator[Segmentation]:
        shown = self._shown(items, order, workers, batch_size, on_error)
        for batch in _batches(shown, batch_size):
            yield from self._predicted(batch, outputs)

    def _shown(
        self,
        items: Iterator[Item],
        order: ChannelOrder,
        workers: int,
        batch_size: int,
        on_error: OnError | None,
    ) -> Iterator[Shown]:
        """Prepare images in threads, a batch ahead, in their order."""
        calls = ((item, order) for item in items)
        with in_threads(
            self._prepared, calls, workers, waiting=workers + batch_size
        ) as prepared:
            for item, image in prepared:
                if isinstance(image, Shown):
                    self._tell(image)
                    yield image
                elif on_error is None:
                    raise image
                else:
                    on_error(item, image)

    def _prepared(
        self, item: Item, order: ChannelOrder
    ) -> tuple[Item, Shown | DataError]:
        """Prepare an image, or say why it can't be."""
        try:
            return item, self._pipeline(item, order)
        except DataError as error:
            return item, error

    def _tell(self, image: Shown) -> None:
        """Warn of what is unusual, once for each kind."""
        for note in image.notes:
            if note.kind not in self._told:
                self._told.add(note.kind)
                text = f'{note.text}; others like it are not reported'
                warnings.warn(text, InputWarning, stacklevel=6)

    @torch.no_grad()
    def _predicted(
        self, batch: Sequence[Shown], outputs: frozenset[str]
    ) -> list[Segmentation]:
        data = pseudo_collate([image.packed for image in batch])
        # Predictions may take turns.
        with self._lock, computing_in(self.precision, self.device):
            if outputs != self._asked:
                ask_for(self.model, sorted(outputs))
                self._asked = outputs
            samples = self.model.test_step(data)
        return [
            self._segmentation(image, sample, outputs)
            for image, sample in zip(batch, samples, strict=True)
        ]

    def _segmentation(
        self, image: Shown, sample: SegDataSample, outputs: frozenset[str]
    ) -> Segmentation:
        label = sample.pred_sem_seg.data[0].to(torch.uint8).cpu().numpy()
        whole = image.image.shape[:2]
        maps: dict[str, np.ndarray | None] = {}
        if 'entropy' in outputs:
            entropy = _entropy(sample).cpu().numpy()
            maps['entropy'] = _placed(entropy, whole, image.box, np.nan)
        if 'probabilities' in outputs:
            values = _probabilities(sample)
            maps['probabilities'] = _placed(values, whole, image.box, 0)
        return Segmentation(
            _placed(label, whole, image.box, IGNORE_ID),
            self.classes,
            self.palette,
            image.image,
            image.path,
            **maps,
        )


def _config(
    given: _Path | Config | None, checkpoint: str, options: Mapping[str, Any]
) -> Config:
    if given is None:
        recorded = config_of_checkpoint(checkpoint)
        return with_options(recorded, options, checkpoint)
    if isinstance(given, Config):
        return with_options(given, options, given.filename or 'this network')
    return load_config(given, options)


def _batches(images: Iterable[Shown], size: int) -> Iterator[list[Shown]]:
    """Put images together that follow each other and have one size."""
    batch: list[Shown] = []
    for image in images:
        if batch and image.shape != batch[0].shape:
            yield batch
            batch = []
        batch.append(image)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _logits(sample: SegDataSample) -> Tensor:
    """Logits (1, C, H, W) of a model that gives no strips.

    Raises:
        ConfigError: It gives no logits either, or they are of one class.
    """
    if 'seg_logits' not in sample:
        raise ConfigError(
            'entropy and probabilities need logits, which the tta_model of '
            "this config does not give; take type='DomainTTAModel'"
        )
    logits = sample.seg_logits.data[None].float()
    if logits.shape[1] < 2:
        raise ConfigError(
            'entropy and probabilities need at least two output channels; '
            'this network has one, with a threshold'
        )
    return logits


def _entropy(sample: SegDataSample) -> Tensor:
    """Entropy (H, W)."""
    if 'entropy' in sample:
        return sample.entropy.data[0]
    return entropy_map(_logits(sample))[0]


def _probabilities(sample: SegDataSample) -> np.ndarray:
    """Probabilities (C, H, W), a strip at a time where there are strips."""
    if STRIPS not in sample:
        return _logits(sample).softmax(dim=1)[0].cpu().numpy()
    strips: Strips = sample.get(STRIPS)
    values = np.empty(strips.shape[1:], np.float32)
    for columns, part in strips.parts():
        values[..., columns] = part.softmax(dim=1)[0].cpu().numpy()
    return values


def _placed(
    values: np.ndarray,
    shape: tuple[int, ...],
    box: tuple[int, int, int, int],
    outside: float,
) -> np.ndarray:
    """Put values (..., h, w) of a part of an image into all of it."""
    top, bottom, left, right = box
    if values.shape[-2:] == shape:
        return values
    placed = np.full((*values.shape[:-2], *shape), outside, values.dtype)
    placed[..., top:bottom, left:right] = values
    return placed
