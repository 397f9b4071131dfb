# Copyright (c) mmuda authors.
"""Labelling all images of a target in constant memory."""

import hashlib
import json
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import cast

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmengine.dist import (
    all_reduce,
    barrier,
    get_rank,
    get_world_size,
    is_main_process,
)
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from mmuda.datasets.pseudo_labels.pseudo_label_checks import unique_keys
from mmuda.datasets.pseudo_labels.pseudo_label_store import (
    PseudoLabelManifest,
    keys_digest,
    soft_label_path,
)
from mmuda.datasets.pseudo_labels.soft_labels import write_soft_label
from mmuda.datasets.segmentation_dataset import SegmentationDataset
from mmuda.evaluation.label_free_scores import class_ratio, label_free_scores
from mmuda.evaluation.label_free_state import LabelFreeState
from mmuda.evaluation.score_histogram import ScoreHistogram, quantise
from mmuda.utils.files import atomic_write
from mmuda.utils.jobs import in_threads
from mmuda.utils.json_files import without_nan

from .image_statistics import ImageStatistics
from .labelling_options import PseudoLabelOptions
from .labelling_report import Pictures
from .predictor import EgoMask, Predictor, label_and_score
from .rules import SelectionRule
from .second_pass import Report, Selection, Spool

LABEL_FREE = 'label_free.json'


@dataclass
class PseudoLabeler:
    """Writes the pseudo-labels of a data set, with any number of processes.

    Two passes: the first writes labels and score bins to disk and counts them
    in a histogram for each class; the second rejects what lies beyond the
    thresholds. Images are cut into fixed batches, which are shared among the
    processes, so the files do not depend on their number, nor on a stop
    in between.

    Attributes:
        predictor: Predicts the images.
        options: How labels are made.
        report: Called with the part of the work, images done and images in
            all, of this process.
        show_dir: Where to draw some images; None draws none.
        show_count: How many, spread over the set.
    """

    predictor: Predictor
    options: PseudoLabelOptions
    report: Report = lambda part, done, total: None
    show_dir: Path | None = None
    show_count: int = 20
    rule: SelectionRule = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.ego_mask = EgoMask(self.options.ego_mask)
        # Soft labels alone ask for probabilities at low resolution, too.
        self._scores = self.options.label_free and self.predictor.coarse

    def run(
        self, dataset: SegmentationDataset, root: Path, **about
    ) -> PseudoLabelManifest:
        """Label all images, or the rest of what a stopped run began.

        Args:
            dataset: Its samples are packed inputs without labels.
            root: Where to write ``<key>.png`` and at last ``manifest.json``.
            **about: ``config``, ``checkpoints`` and ``domain`` for the
                manifest.

        Returns:
            The manifest, in all processes.

        Raises:
            DataError: An image can't be read, or the disk is full.
        """
        keys = dataset_keys(dataset)
        classes = tuple(dataset.metainfo['classes'])
        self.rule = self.options.build_rule(classes)
        device = next(self.predictor.model.parameters()).device
        spool = Spool(root)
        if is_main_process():
            spool.prepare(self._job(keys, classes))
        barrier()
        batches = own_batches(len(keys), self.options.batch_size)
        histogram = ScoreHistogram(len(classes), self.options.bins, device)
        self._predict(dataset, keys, batches, spool, histogram)
        histogram.all_reduce()
        thresholds = self.rule.threshold_bins(histogram).cpu().numpy()
        own = [index for batch in batches for index in batch]
        pictures = Pictures(self.show_dir, self.show_count, dataset)
        kept = self._select(keys, own, spool, thresholds, pictures, device)
        values = self.rule.threshold_values(thresholds, self.options.bins)
        manifest = PseudoLabelManifest(
            classes=classes,
            num_images=len(keys),
            keys_sha256=keys_digest(keys),
            rule=self.options.rule,
            options=self.options.saved(),
            thresholds=dict(zip(classes, values, strict=True)),
            pixels=dict(zip(classes, histogram.pixels.tolist(), strict=True)),
            kept=dict(zip(classes, kept.tolist(), strict=True)),
            **about,
        )
        if is_main_process():
            if self._scores:
                write_scores(root, spool, keys, classes)
            manifest.write(root)
            spool.remove()
        barrier()
        return manifest

    def _predict(
        self,
        dataset: SegmentationDataset,
        keys: Sequence[str],
        batches: Sequence[list[int]],
        spool: Spool,
        histogram: ScoreHistogram,
    ) -> None:
        """First pass: labels and scores to the disk, counts to memory."""
        files = self._files(dataset, keys, batches, spool, histogram)
        write = partial(self._write, spool)
        with in_threads(write, files, self.options.threads) as written:
            deque(written, maxlen=0)

    def _files(
        self,
        dataset: SegmentationDataset,
        keys: Sequence[str],
        batches: Sequence[list[int]],
        spool: Spool,
        histogram: ScoreHistogram,
    ) -> Iterator[tuple]:
        """Yield keys, labels, score bins and soft labels to write."""
        device = histogram.counts.device
        todo, done, total = [], 0, sum(map(len, batches))
        for batch in batches:
            if not all(spool.has(keys[index]) for index in batch):
                todo.append(batch)
                continue
            for index in batch:
                label, score = map(torch.from_numpy, spool.read(keys[index]))
                histogram.update(
                    label.to(device), score.to(device, torch.int32)
                )
            done += len(batch)
            self.report('labelling', done, total)
        loader = DataLoader(
            # All of mmengine are such, and a Protocol cannot say so.
            cast(Dataset, dataset),
            batch_sampler=todo,
            num_workers=min(self.options.num_workers, len(todo)),
            collate_fn=pseudo_collate,
        )
        for batch, data in zip(todo, loader, strict=True):
            names = [keys[index] for index in batch]
            for part, inputs in groups_of_one_size(names, data):
                yield from self._label(part, inputs, histogram)
            done += len(batch)
            self.report('labelling', done, total)

    def _label(
        self,
        keys: Sequence[str],
        inputs: dict,
        histogram: ScoreHistogram,
    ) -> Iterator[tuple]:
        """Label images of one size; yield what is to be written."""
        prediction = self.predictor(inputs)
        label, score = label_and_score(prediction.full, self.rule.score)
        self.ego_mask.apply(label, prediction.coarse)
        bins = quantise(score, histogram.bins)
        histogram.update(label, bins)
        # All bins fit 16 bits, which halves the copy from the device.
        arrays = label.cpu().numpy(), bins.to(torch.uint16).cpu().numpy()
        for index, key in enumerate(keys):
            yield (
                key,
                *(array[index] for array in arrays),
                self._soft(prediction.coarse, index),
                self._sums(prediction.coarse, index),
            )

    def _soft(self, coarse: Tensor | None, index: int) -> np.ndarray | None:
        """Soft label (C, h, w) of an image of a batch, if it is asked for."""
        if coarse is None or self.options.soft_top_k is None:
            return None
        return coarse[index].cpu().numpy()

    def _sums(self, coarse: Tensor | None, index: int) -> np.ndarray | None:
        """What label-free scores sum up of an image of a batch."""
        if coarse is None or not self._scores:
            return None
        image = coarse[index : index + 1]
        state = LabelFreeState(image.shape[1], device=image.device)
        # Probabilities are 0 where nothing counts.
        state.update(image, image.sum(dim=1) > 0, are_logits=False)
        return state.packed()

    def _write(
        self,
        spool: Spool,
        key: str,
        label: np.ndarray,
        score: np.ndarray,
        soft: np.ndarray | None,
        sums: np.ndarray | None,
    ) -> None:
        if sums is not None:
            spool.write_sums(key, sums)
        if soft is not None:
            file = soft_label_path(spool.root, key)
            write_soft_label(file, soft, self.options.soft_top_k or None)
        spool.write(key, label, score)

    def _select(
        self,
        keys: Sequence[str],
        own: Sequence[int],
        spool: Spool,
        thresholds: np.ndarray,
        pictures: Pictures,
        device: torch.device,
    ) -> Tensor:
        """Second pass: labels, and kept pixels of each class, (C,)."""
        table = None
        if self.options.image_statistics:
            shape = len(keys), 3 * len(thresholds) + 2
            table = np.zeros(shape, dtype=np.int64)
        selection = Selection(
            self.rule, thresholds, spool, self.options, self.report, table
        )
        kept = selection.run(keys, own, pictures).to(device)
        all_reduce(kept)
        if table is not None:
            # Each row was filled by one process.
            rows = torch.from_numpy(table).to(device)
            all_reduce(rows)
            statistics = ImageStatistics.from_rows(
                keys, rows.cpu().numpy(), self.options.bins
            )
            if is_main_process():
                statistics.write(spool.root)
        return kept

    def _job(self, keys: Sequence[str], classes: Sequence[str]) -> dict:
        """All that labels and scores before the selection depend on."""
        return {
            'weights': weights_digest(self.predictor.model),
            'keys': keys_digest(keys),
            'classes': list(classes),
            'score': self.rule.score,
            'options': self.options.saved(),
            # which images are labelled together may change a last bit
            'batch_size': self.options.batch_size,
        }


def weights_digest(model: nn.Module) -> str:
    """SHA-256 of all parameters and buffers of a model."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        array = value.detach().cpu().contiguous().flatten()
        digest.update(array.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def write_scores(
    root: Path, spool: Spool, keys: Sequence[str], classes: Sequence[str]
) -> None:
    """Write ``label_free.json`` beside labels.

    Images are added in their order, so that the file is the same to the byte
    after a stop and from any number of processes.

    Args:
        root: Folder of the labels.
        spool: Has the sums of all images; nothing is written if one was
            labelled by an mmuda that had none, or other ones.
        keys: Keys of the images.
        classes: Names of the classes.

    Raises:
        DataError: A file is damaged, or the disk is full.
    """
    state = LabelFreeState(len(classes))
    for key in keys:
        sums = spool.read_sums(key)
        if sums is None:
            return
        try:
            state.add_packed(sums)
        except ValueError:
            return
    ratios = class_ratio(state).tolist()
    content = dict(
        images=int(state['images']),
        pixels=int(state['pixels']),
        scores=label_free_scores(state),
        class_ratio=dict(zip(classes, ratios, strict=True)),
    )
    text = json.dumps(without_nan(content), indent=2)
    atomic_write(root / LABEL_FREE, text + '\n')


def dataset_keys(dataset: SegmentationDataset) -> list[str]:
    """Keys of all images of a data set.

    Args:
        dataset: A ``DomainSegDataset``, or a concatenation of several.

    Raises:
        DataError: Two images have the same key.
    """
    return unique_keys(getattr(dataset, 'datasets', [dataset]))


def own_batches(count: int, batch_size: int) -> list[list[int]]:
    """Batches of consecutive images that this process labels.

    Which images share a batch does not depend on the number of processes:
    on some devices it changes the last bits of a prediction.

    Args:
        count: Number of images.
        batch_size: Images of a batch; the last one may have fewer.
    """
    starts = range(0, count, batch_size)[get_rank() :: get_world_size()]
    return [
        list(range(start, min(start + batch_size, count))) for start in starts
    ]


def groups_of_one_size(
    keys: Sequence[str], data: dict
) -> Iterator[tuple[list[str], dict]]:
    """Cut a batch into runs of images of equal sizes.

    Args:
        keys: Keys of the images.
        data: ``inputs``, a list of (3, H, W), and their ``data_samples``.

    Yields:
        Keys and data of neighbouring images whose size, on disk too, is one.
    """
    items = list(zip(keys, data['inputs'], data['data_samples'], strict=True))

    def sizes(item: tuple) -> tuple:
        return tuple(item[1].shape), tuple(item[2].ori_shape)

    for _, group in groupby(items, key=sizes):
        names, inputs, samples = zip(*group, strict=True)
        yield (
            list(names),
            dict(inputs=list(inputs), data_samples=list(samples)),
        )
