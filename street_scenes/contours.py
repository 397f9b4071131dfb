# Copyright (c) mmuda authors.
"""Label ids as the polygons of IDD's label files."""

import json
from typing import NamedTuple

import cv2
import numpy as np

from street_scenes.street_labels import LABELS

# IDD has other names for these; what is left has the name of Cityscapes.
_IDD_NAMES = {
    'static': 'obs-str-bar-fallback',
    'dynamic': 'vehicle fallback',
    'ground': 'fallback background',
    'terrain': 'non-drivable fallback',
}
IDD_LABELS_OF = {
    label.label_id: _IDD_NAMES.get(label.name, label.name) for label in LABELS
}


class Region(NamedTuple):
    """Pixels of one label that hang together, and all that they enclose.

    Attributes:
        label_id: Label of the pixels.
        outline: Vertices (x, y) in whole pixels, int (N, 2), all within it.
    """

    label_id: int
    outline: np.ndarray


def trace_regions(label_ids: np.ndarray) -> list[Region]:
    """Outline the regions of a label map, the largest first.

    What a region encloses is smaller than it. Drawn over each other in this
    order, outlines without holes therefore give the label map again, whatever
    lies within what.

    Args:
        label_ids: uint8 (H, W).

    Returns:
        Regions; those of one or two pixels have as many vertices.
    """
    regions = []
    for label_id in np.unique(label_ids).tolist():
        mask = (label_ids == label_id).astype(np.uint8)
        # Neighbours by corner would let two regions cross each other.
        count, numbers, boxes, _ = cv2.connectedComponentsWithStats(
            mask, connectivity=4
        )
        for number in range(1, count):
            left, top, width, height = boxes[number, :4].tolist()
            part = numbers[top : top + height, left : left + width] == number
            outline = _outline(part.astype(np.uint8)) + (left, top)
            regions.append(Region(label_id, outline))
    return sorted(regions, key=lambda region: -_area(region.outline))


def _outline(mask: np.ndarray) -> np.ndarray:
    """Return the outer outline of the only region of a mask, (N, 2)."""
    for method in (cv2.CHAIN_APPROX_SIMPLE, cv2.CHAIN_APPROX_NONE):
        (outline,), _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, method)
        # The ends of a straight line alone are no polygon.
        if len(outline) > 2:
            break
    return outline[:, 0]


def _area(outline: np.ndarray) -> float:
    """Return the area within an outline, 0 of a line."""
    return cv2.contourArea(outline.astype(np.float32))


def encode_idd_polygons(image: np.ndarray, label_ids: np.ndarray) -> bytes:
    """Encode the label ids as a polygon file of IDD.

    Objects are in drawing order. A region of less than three pixels is left
    out, as nobody would draw it: it belongs to what encloses it, or, between
    others, to nothing.
    """
    objects = [
        {
            'label': IDD_LABELS_OF[region.label_id],
            'polygon': region.outline.tolist(),
            'deleted': 0,
        }
        for region in trace_regions(label_ids)
        if len(region.outline) > 2
    ]
    height, width = label_ids.shape
    content = {'imgHeight': height, 'imgWidth': width, 'objects': objects}
    return json.dumps(content).encode()
