"""Labels that are made by hand."""

from pathlib import Path

import cv2
import numpy as np

from mmuda.datasets.pseudo_labels.pseudo_label_store import (
    PseudoLabelManifest,
    keys_digest,
    label_path,
)
from mmuda.procedures.selection import LabelledImages
from mmuda.pseudo_labels.image_statistics import ImageStatistics, count_image
from mmuda.pseudo_labels.second_pass import encode_scores, score_path

BINS = 4096


def statistics(kept, confidence=None, keys=None, size=(100, 200)):
    """Statistics from kept pixels (N, C) and mean confidences (N, C)."""
    kept = np.array(kept, dtype=np.int64)
    if confidence is None:
        confidence = np.full(kept.shape, 0.5)
    sums = (kept * np.array(confidence) * BINS).round().astype(np.int64)
    keys = tuple(keys or (f'{index:02d}' for index in range(len(kept))))
    sizes = np.tile(np.array(size, dtype=np.int64), (len(kept), 1))
    return ImageStatistics(keys, kept.copy(), kept, sums, sizes, BINS)


def manifest(classes='abc', thresholds=(0.5, 0.6, 0.7), keys=(), **kwargs):
    """Manifest of labels of some classes."""
    values = dict(
        classes=tuple(classes),
        num_images=len(keys),
        keys_sha256=keys_digest(keys),
        rule=dict(type='ClassBalancedPortion'),
        options=dict(bins=BINS, soft_top_k=3, keep_scores=True),
        thresholds=dict(zip(classes, thresholds, strict=True)),
        pixels=dict.fromkeys(classes, 0),
        kept=dict.fromkeys(classes, 0),
        config='c.py',
        checkpoints=(),
    )
    return PseudoLabelManifest(**values | kwargs)


def in_memory(table, thresholds=(0.5, 0.6, 0.7), root='labels'):
    """A labelling of which no file is read."""
    classes = 'abcdefgh'[: table.num_classes]
    about = manifest(classes, thresholds[: len(classes)], table.keys)
    return LabelledImages(Path(root), about, table)


def write_labels(root, labels, scores=None, classes='abc', **kwargs):
    """A finished folder: label maps by key, and score bins by key."""
    keys = sorted(labels)
    rows = []
    for key in keys:
        label = np.array(labels[key], dtype=np.uint8)
        score = np.full(label.shape, 2048, dtype=np.uint16)
        if scores is not None:
            score = np.array(scores[key], dtype=np.uint16)
        label_path(root, key).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(label_path(root, key)), label)
        score_path(root, key).write_bytes(encode_scores(score))
        rows.append(count_image(label, score, label < 255, len(classes)))
    ImageStatistics.from_rows(keys, np.stack(rows), BINS).write(root)
    manifest(classes, keys=keys, **kwargs).write(root)
    return LabelledImages.read(root)


def read(root, key):
    return cv2.imread(str(label_path(root, key)), cv2.IMREAD_UNCHANGED)
