"""Finished folders of pseudo-labels for tests."""

from pathlib import Path

import numpy as np
from toy_images import make_label

from mmuda.datasets.labels.label_maps import LABEL_SETS
from mmuda.datasets.pseudo_labels.pseudo_label_store import (
    PseudoLabelManifest,
    keys_digest,
    label_path,
    soft_label_path,
)
from mmuda.datasets.pseudo_labels.soft_labels import write_soft_label

TEN = tuple(LABEL_SETS['carla_camvid10'])


def make_manifest(keys=('a',), classes=TEN, **changes):
    """Return a manifest of ten pixels a class, of which four were kept."""
    values = {
        'classes': tuple(classes),
        'num_images': len(keys),
        'keys_sha256': keys_digest(keys),
        'rule': {'type': 'EntropyQuantile', 'quantile': 0.5},
        'options': {'bins': 4096, 'ego_mask': None, 'soft_top_k': 0},
        'thresholds': dict.fromkeys(classes, 0.25),
        'pixels': dict.fromkeys(classes, 10),
        'kept': dict.fromkeys(classes, 4),
        'config': 'esl_gta2cs.py',
        'checkpoints': ({'file': 'a.pth', 'sha256': '0f', 'weight': 1.0},),
    }
    return PseudoLabelManifest(**values | changes)


def make_store(root: Path, keys=('a',), ids=0, size=(8, 12), classes=TEN):
    """Write a constant label for each key, and the manifest."""
    for key in keys:
        make_label(label_path(root, key), np.full(size, ids, np.uint8))
    make_manifest(keys, classes).write(root)
    return root


def make_soft_labels(root: Path, keys=('a',), size=(2, 3), num_classes=10):
    """Write random probabilities for each key and return the last."""
    rng = np.random.default_rng(0)
    for key in keys:
        soft = rng.random((num_classes, *size), np.float32)
        write_soft_label(soft_label_path(root, key), soft, None)
    return soft / soft.sum(0)
