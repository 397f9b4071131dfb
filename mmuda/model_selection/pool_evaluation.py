# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""What is known of a pool of checkpoints without labels of the target."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from torch import Tensor

from mmuda.evaluation.accuracy_estimates import SourceState
from mmuda.evaluation.harm_alarms import Evidence
from mmuda.evaluation.label_free_scores import agreement
from mmuda.evaluation.label_free_state import LabelFreeState
from mmuda.evaluation.pixel_counts import count_pairs
from mmuda.evaluation.second_view import (
    has_second_view,
    network_logits,
    predict_second_view,
)
from mmuda.pseudo_labels.predictor import valid_area
from mmuda.utils.names import IGNORE_ID

from .checkpoint_pool import CheckpointPool

# Images whose predictions of all checkpoints are compared at a time.
_CHUNK = 32
Report = Callable[[str, int, int], None]


@dataclass
class PoolEvidence:
    """Sums of a pool of K checkpoints.

    Attributes:
        states: Of each on the target.
        sources: Of each on the source; empty without labelled images.
        ensemble: (K, C, C) pixels, rows by the mean softmax of the pool's
            ``voters``, columns by a checkpoint (EnsV).
        compared: (K, K) pixels where two checkpoints see some class.
        equal: (K, K) pixels where they see the same one.
    """

    states: list[LabelFreeState]
    ensemble: Tensor
    compared: Tensor
    equal: Tensor
    sources: list[SourceState] = field(default_factory=list)

    @classmethod
    def empty(cls, count: int, num_classes: int) -> 'PoolEvidence':
        """Sums over nothing, of so many checkpoints and classes."""
        square = num_classes, num_classes
        return cls(
            [LabelFreeState(num_classes) for _ in range(count)],
            torch.zeros(count, *square, dtype=torch.int64),
            torch.zeros(count, count, dtype=torch.int64),
            torch.zeros(count, count, dtype=torch.int64),
        )

    def evidence(self, index: int) -> Evidence:
        """What harm alarms look at, of a checkpoint."""
        return Evidence(
            self.states[index],
            self.sources[index] if self.sources else None,
            agreement(self.ensemble[index]) if len(self.states) > 1 else None,
        )

    def changed(self, first: int, second: int) -> float | None:
        """Share of the pixels where two checkpoints differ, in [0, 1].

        Of the pixels where both see a class; None if there is none, as of a
        network that has diverged.
        """
        pixels = int(self.compared[first, second])
        if not pixels:
            return None
        return 1 - float(self.equal[first, second]) / pixels


def evaluate_target(
    pool: CheckpointPool,
    batches: Iterator[dict],
    count: int,
    num_classes: int,
    second_view_every: int,
    report: Report,
) -> PoolEvidence:
    """Run all checkpoints over the images of the target.

    Images are loaded once. Of some at a time all checkpoints predict one
    after the other; only the mean of their softmaxes and their classes are
    kept until then, so that memory does not grow with their number but for a
    byte a pixel.

    Args:
        pool: The checkpoints.
        batches: Images one by one.
        count: Number of images.
        num_classes: Number of classes C.
        second_view_every: One image in so many is seen twice; 0 for none.
        report: Called with the part of the work, images done and all images.
    """
    found = PoolEvidence.empty(len(pool), num_classes)
    done, total = 0, count * len(pool)
    while chunk := list(islice(batches, _CHUNK)):
        # Of (C, h, w) for each image, not yet divided by their number.
        means: dict[int, Tensor] = {}
        # labels[k][i]: (h, w) classes of image i by checkpoint k
        labels: list[list[Tensor]] = []
        for index in range(len(pool)):
            pool.use(index)
            seen = []
            for number, batch in enumerate(chunk):
                p, label = _see(
                    pool, batch, found.states[index], second_view_every
                )
                seen.append(label)
                if index in pool.voters:
                    before = means.get(number)
                    means[number] = p if before is None else before.add_(p)
                done += 1
                report('target', done, total)
            labels.append(seen)
        _compare(found, [means[n] for n in sorted(means)], labels, num_classes)
    return found


def _see(
    pool: CheckpointPool, batch: dict, state: LabelFreeState, every: int
) -> tuple[Tensor, Tensor]:
    """Add an image; return its softmax (C, h, w) and classes (h, w).

    Probabilities that are no numbers are 0, and their class is 255.
    """
    with pool.computing():
        logits, valid = coarse_logits(pool.model, batch)
    (label,) = state.update(logits, valid)
    (sample,) = batch['data_samples']
    key = sample.get('key') or Path(sample.get('img_path', '')).name
    if has_second_view(key, every):
        # With its padding, which does not count.
        size = label.shape[0], label.shape[1]
        with pool.computing():
            other = predict_second_view(pool.model, batch['inputs'][0], size)
        state.update_views(label, other.to(label.device))
    # What is no number does not vote.
    p = logits[0].float().softmax(dim=0).nan_to_num(0)
    return p.cpu(), label


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


def _compare(
    found: PoolEvidence,
    means: Sequence[Tensor],
    labels: Sequence[Sequence[Tensor]],
    num_classes: int,
) -> None:
    """Count where checkpoints agree with their mean and with each other."""
    for number, mean in enumerate(means):
        own = [seen[number].cpu() for seen in labels]
        ensemble = mean.max(dim=0).indices.to(torch.uint8)
        # A network that has diverged has no say where the others compare.
        told = [label for label in own if (label != IGNORE_ID).any()]
        known = torch.full_like(own[0], bool(told), dtype=torch.bool)
        for label in told:
            known &= label != IGNORE_ID
        for first, label in enumerate(own):
            pairs = count_pairs(
                ensemble[known], label[known], num_classes, IGNORE_ID
            )
            found.ensemble[first] += pairs[:-1, :-1]
            for second, other in enumerate(own):
                both = known & (label != IGNORE_ID) & (other != IGNORE_ID)
                found.compared[first, second] += int(both.sum())
                found.equal[first, second] += int((label == other)[both].sum())


def evaluate_source(
    pool: CheckpointPool,
    batches: Iterator[dict],
    count: int,
    num_classes: int,
    report: Report,
) -> list[SourceState]:
    """Run all checkpoints over labelled images of the source.

    Args:
        pool: The checkpoints.
        batches: Images one by one, with ``gt_sem_seg`` in their geometry.
        count: Number of images.
        num_classes: Number of classes C.
        report: As of :func:`evaluate_target`.

    Returns:
        Of each checkpoint, at the resolution of the network; none if no
        pixel of the images is labelled.
    """
    found = [SourceState(num_classes) for _ in pool.files]
    done, total = 0, count * len(pool)
    while chunk := list(islice(batches, _CHUNK)):
        for index, state in enumerate(found):
            model = pool.use(index)
            for batch in chunk:
                with pool.computing():
                    logits, _ = coarse_logits(model, batch)
                (sample,) = batch['data_samples']
                truth = sample.gt_sem_seg.data[None].float()
                small = F.interpolate(
                    truth, logits.shape[2:], mode='nearest-exact'
                )
                p = logits.float().softmax(dim=1).cpu()
                state.update(p, small[:, 0].long())
                done += 1
                report('source', done, total)
    return found if any(state.pixels for state in found) else []
