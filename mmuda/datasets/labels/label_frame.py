# Copyright (c) mmuda authors.
"""Labels of images that their camera has marked as turned (EXIF)."""

from collections.abc import Mapping

import numpy as np
from mmengine.logging import MMLogger

from mmuda.datasets.images.image_header import ImageHeader
from mmuda.datasets.images.image_io import read_header, turn, turn_back
from mmuda.datasets.segmentation_dataset import SegmentationDataset
from mmuda.utils.checks import one_of
from mmuda.utils.errors import DataError

_CHOICES = ('auto', 'displayed', 'stored')
# Headers of images and labels that are read to decide.
_MOST_PAIRS = 256


def size_says(header: ImageHeader, shape: tuple[int, int]) -> str | None:
    """Tell from its size what a label was drawn on.

    Args:
        header: Of the image.
        shape: Height and width of the label.

    Returns:
        ``'stored'`` or ``'displayed'`` if the image is turned by a quarter
        and the label is upright where only one of both is; otherwise None.
    """
    height, width = shape
    if header.orientation < 5 or height == width:
        return None
    if header.height == header.width:
        return None
    as_stored = (height > width) == (header.height > header.width)
    return 'stored' if as_stored else 'displayed'


class LabelFrame:
    """Turns labels so that they lie on the image as it was read.

    Images are read as viewers show them. A label may have been drawn on that,
    or on the pixels as they are stored. Of an image turned by a quarter the
    size of its label tells. Otherwise (mirrored, turned by half, square) the
    label is taken for what those of the data set are that can be told, and
    for one of the displayed picture if there is none, with a warning.

    Args:
        choice: ``label_orientation`` of the data set.
        dataset: The data set, to look at other pairs; None without one.

    Raises:
        ConfigError: There is no such choice.
    """

    def __init__(
        self, choice: str, dataset: SegmentationDataset | None
    ) -> None:
        one_of(_CHOICES).require(choice, 'label_orientation')
        self.choice = choice
        self._dataset = dataset
        self._usual: str | None = None

    def __deepcopy__(self, memo: dict) -> 'LabelFrame':
        # Transforms copy samples, which must not copy the data set.
        return self

    def fit(
        self, labels: np.ndarray, header: ImageHeader, as_stored: bool
    ) -> np.ndarray:
        """Return a label turned to its image.

        Args:
            labels: (H, W) as in the file.
            header: Of the image, whose orientation is not 1.
            as_stored: Whether the image was read without turning it.
        """
        frame = self.choice
        if frame == 'auto':
            frame = size_says(header, labels.shape) or self._frame_of_set()
        if frame == 'stored' and not as_stored:
            return turn(labels, header.orientation)
        if frame == 'displayed' and as_stored:
            return turn_back(labels, header.orientation)
        return labels

    def _frame_of_set(self) -> str:
        """What labels were drawn on where sizes do not tell, found once."""
        if self._usual is None:
            votes = self._votes()
            self._usual = 'stored' if votes == {'stored'} else 'displayed'
            if len(votes) != 1:
                MMLogger.get_current_instance().warning(_unsure(votes))
        return self._usual

    def _votes(self) -> set[str]:
        """What the sizes of some labels of the data set say."""
        if self._dataset is None:
            return set()
        count = len(self._dataset)
        indices = np.linspace(0, count - 1, min(count, _MOST_PAIRS))
        votes: set[str] = set()
        for index in np.unique(indices.astype(int)):
            vote = _vote(self._dataset.get_data_info(int(index)))
            if vote is not None:
                votes.add(vote)
        return votes


def _vote(info: Mapping) -> str | None:
    """What the size of a label says, read from the headers alone."""
    try:
        image = read_header(info['img_path'])
        if image.orientation < 5:
            return None
        label = read_header(info['seg_map_path'])
    except DataError:
        # Told when the pair is read; polygons have no header.
        return None
    return size_says(image, (label.height, label.width))


def _unsure(votes: set[str]) -> str:
    found = (
        'some of its labels were drawn on the stored pixels and some on the '
        'displayed picture'
        if votes
        else 'the sizes of its labels do not tell what they were drawn on'
    )
    return (
        'the data set has images that are marked as mirrored or turned '
        f'(EXIF), and {found}: they are taken for drawn on the picture as '
        "viewers show it. If they lie wrong, set label_orientation='stored' "
        "in the data set; 'displayed' confirms this"
    )
