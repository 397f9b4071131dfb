# Copyright (c) mmuda authors.
"""What is known of a pool of checkpoints without labels of the target."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from torch import Tensor

from mmuda.evaluation.accuracy_estimates import SourceState
from mmuda.evaluation.label_free_state import LabelFreeState
from mmuda.evaluation.second_view import (
    has_second_view,
    network_logits,
    predict_second_view,
)
from mmuda.pseudo_labels.predictor import valid_area

from .checkpoint_pool import CheckpointPool
from .image_views import Chunk, PoolImages, View, chunks
from .pool_evidence import PoolEvidence, brought_to
from .pool_members import Member
from .selection_data import Sampling

# Images whose predictions of all checkpoints are compared at a time.
_CHUNK = 32
Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class EvaluatedPool:
    """A pool that was looked at.

    Attributes:
        names: Of the checkpoints.
        classes: Names of the classes.
        evidence: What was found.
        held_out: Whether the source's images are others than those of
            training; None without a labelled source.
    """

    names: list[str]
    classes: tuple[str, ...]
    evidence: PoolEvidence
    held_out: bool | None


def evaluate_pool(
    members: Sequence[Member], sampling: Sampling, report: Report
) -> EvaluatedPool:
    """Run checkpoints over images of the target and of the source.

    Each network sees the images in its own pipeline, at its size.

    Args:
        members: Checkpoints, whose configs have the same data sets.
        sampling: On which images.
        report: Called with the part of the work, images done and all images.

    Raises:
        ConfigError: A config has no such images, or a network can't be
            built.
        CheckpointError: A checkpoint does not fit its network, or was trained
            for other classes.
        DataError: There is no image of the target.
    """
    images = PoolImages.of(members, sampling)
    classes = images.classes
    pool = CheckpointPool(members, classes, sampling.precision)
    count, views = images.target_views(sampling)
    every = sampling.second_view_every
    found = evaluate_target(pool, views, count, len(classes), every, report)
    if images.sources:
        count, views = images.source_views(sampling)
        found.sources = evaluate_source(
            pool, views, count, len(classes), report
        )
    return EvaluatedPool(pool.names(), classes, found, images.held_out)


def evaluate_target(
    pool: CheckpointPool,
    views: Sequence[View],
    count: int,
    num_classes: int,
    second_view_every: int,
    report: Report,
) -> PoolEvidence:
    """Run all checkpoints over the images of the target.

    Images are loaded once for all that see them alike. Of some at a time all
    checkpoints predict one after the other; only the mean of their softmaxes
    and their classes are kept until then, so that memory does not grow with
    their number but for a byte a pixel.

    Both are at the resolution of the first checkpoint's output: probabilities
    of networks with another one are resized bilinearly
    (``align_corners=False``). The state of each is of its own resolution, and
    so is the second view.

    Args:
        pool: The checkpoints.
        views: The images as they see them; that of the first one first.
        count: Number of images.
        num_classes: Number of classes C.
        second_view_every: One image in so many is seen twice; 0 for none.
        report: Called with the part of the work, images done and all images.

    Raises:
        DataError: The views are not of the same images.
    """
    found = PoolEvidence.empty(len(pool), num_classes)
    done = 0
    for seen in chunks(views, count, _CHUNK):
        together = _AtOneResolution()
        for index, model, number, (name, batch) in _in_turns(pool, seen):
            twice = has_second_view(name, second_view_every)
            predicted = _see(pool, model, batch, found.states[index], twice)
            votes = index in pool.voters
            together.add(index, number, votes, *predicted)
            done += 1
            report('target', done // len(pool), count)
        for mean, labels in together.images():
            found.compare(mean, labels)
    return found


def _in_turns(
    pool: CheckpointPool, seen: Chunk
) -> Iterator[tuple[int, BaseModel, int, tuple[str, dict]]]:
    """Yield checkpoint, its model, place, name and batch of some images."""
    for members, batches in seen:
        for index in members:
            model = pool.use(index)
            for number, batch in enumerate(batches):
                yield index, model, number, batch


class _AtOneResolution:
    """Predictions of some images, at that of the first checkpoint."""

    def __init__(self) -> None:
        # Of (C, h, w) for each image, not yet divided by their number.
        self._means: dict[int, Tensor] = {}
        # By image and checkpoint, (h, w)
        self._labels: dict[int, dict[int, Tensor]] = {}
        # Where each image is in the first one's output, (h, w)
        self._grids: dict[int, Tensor] = {}

    def add(
        self,
        index: int,
        number: int,
        votes: bool,
        p: Tensor,
        label: Tensor,
        area: Tensor,
    ) -> None:
        """Add what a checkpoint sees in an image, as :func:`_see` gives it."""
        grid = self._grids.setdefault(number, area)
        p, label = brought_to(p, label, area, grid)
        self._labels.setdefault(number, {})[index] = label
        if votes:
            before = self._means.get(number)
            self._means[number] = p if before is None else before.add_(p)

    def images(self) -> Iterator[tuple[Tensor, list[Tensor]]]:
        """Yield sum of softmaxes and classes by checkpoint, of each image."""
        for number, mean in sorted(self._means.items()):
            labels = self._labels[number]
            yield mean, [labels[index] for index in sorted(labels)]


def _see(
    pool: CheckpointPool,
    model: BaseModel,
    batch: dict,
    state: LabelFreeState,
    twice: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Add an image to the state of a checkpoint, ``twice`` with its view.

    Returns:
        Its softmax (C, h, w), classes (h, w) and where it is not padding
        (h, w). Probabilities that are no numbers are 0, their class is 255.
    """
    with pool.computing():
        logits, valid = coarse_logits(model, batch)
    (label,) = state.update(logits, valid)
    if twice:
        # With its padding, which does not count.
        size = label.shape[0], label.shape[1]
        with pool.computing():
            other = predict_second_view(model, batch['inputs'][0], size)
        state.update_views(label, other.to(label.device))
    # What is no number does not vote.
    p = logits[0].float().softmax(dim=0).nan_to_num(0)
    return p.cpu(), label.cpu(), valid[0].cpu()


@torch.no_grad()
def coarse_logits(model: BaseModel, batch: dict) -> tuple[Tensor, Tensor]:
    """Logits of an image at the network's resolution.

    Args:
        model: In the mode that it is in.
        batch: One image, as a data loader gives it.

    Returns:
        (1, C, h, w) and (1, h, w) bool, False on padding of the pipeline.
    """
    data = model.data_preprocessor(batch, False)
    metas = [sample.metainfo for sample in data['data_samples']]
    logits = network_logits(model, data['inputs'], metas)
    sizes = (data['inputs'].shape[2:], logits.shape[2:])
    given, coarse = ((size[0], size[1]) for size in sizes)
    area = valid_area(metas[0], given, coarse, align_corners=False)
    # What the preprocessor has padded is below and to the right.
    height, width = batch['inputs'][0].shape[1:]
    rows = max(1, round(coarse[0] * height / given[0]))
    columns = max(1, round(coarse[1] * width / given[1]))
    return logits[..., :rows, :columns], area[None, :rows, :columns]


def evaluate_source(
    pool: CheckpointPool,
    views: Sequence[View],
    count: int,
    num_classes: int,
    report: Report,
) -> list[SourceState]:
    """Run all checkpoints over labelled images of the source.

    Args:
        pool: The checkpoints.
        views: As of :func:`evaluate_target`, of images one by one with
            ``gt_sem_seg`` in their geometry.
        count: Number of images.
        num_classes: Number of classes C.
        report: As of :func:`evaluate_target`.

    Returns:
        Of each checkpoint, at the resolution of its network; none if no
        pixel of the images is labelled.

    Raises:
        DataError: The views are not of the same images.
    """
    found = [SourceState(num_classes) for _ in pool.members]
    done = 0
    for seen in chunks(views, count, _CHUNK):
        for index, model, _, (_, batch) in _in_turns(pool, seen):
            with pool.computing():
                logits, _ = coarse_logits(model, batch)
            (sample,) = batch['data_samples']
            truth = sample.gt_sem_seg.data[None].float()
            small = F.interpolate(
                truth, logits.shape[2:], mode='nearest-exact'
            )
            p = logits.float().softmax(dim=1).cpu()
            found[index].update(p, small[:, 0].long())
            done += 1
            report('source', done // len(pool), count)
    return found if any(state.pixels for state in found) else []
