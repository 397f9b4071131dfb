# Copyright (c) mmuda authors.
"""Rare-class sampling (Hoyer et al., DAFormer, CVPR 2022).

Images are drawn by a class, and rare classes more often than common ones.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import MMLogger
from torch.utils.data import Dataset

from mmuda.datasets.class_statistics import (
    ClassStatistics,
    shared_class_statistics,
)
from mmuda.datasets.domain_dataset import build_domain, leaf_datasets
from mmuda.datasets.transforms.cached_steps import kept_first_steps
from mmuda.registry import DATASETS
from mmuda.utils.checks import COUNT, POSITIVE, WHOLE, Check, optional
from mmuda.utils.errors import ConfigError, DataError

_TEMPERATURE = Check(f'{POSITIVE.expected}; DAFormer uses 0.01', POSITIVE.fits)


def class_probabilities(
    statistics: ClassStatistics, temperature: float, min_pixels: int
) -> np.ndarray:
    """Probability of drawing each class.

    With f_c, the share of a class in all labelled pixels, it is the softmax
    of (1 - f_c) / T over the classes that occur (DAFormer, section "Rare
    Class Sampling"). Unlike there, classes that no image has enough pixels of
    leave their probability to the others.

    Args:
        statistics: Of the labels.
        temperature: T > 0; the lower, the more the rare classes prevail.
        min_pixels: An image must have more pixels than that of a class to be
            drawn for it.

    Returns:
        (C,) float64; they sum to 1.

    Raises:
        ConfigError: The temperature is not above 0.
        DataError: No image has enough pixels of any class.
    """
    _TEMPERATURE.require(temperature, 'RareClassSampling.temperature')
    exponents = (1 - statistics.shares) / temperature
    found = statistics.images_with_more_than(min_pixels) > 0
    if not found.any():
        raise DataError(
            f'no image has more than min_pixels={min_pixels} pixels of any '
            f'class (the most are {statistics.pixels.max()}); lower it for '
            'rare-class sampling'
        )
    weights = np.zeros_like(exponents)
    weights[found] = np.exp(exponents[found] - exponents[found].max())
    return weights / weights.sum()


@DATASETS.register_module()
class RareClassSampling(BaseDataset):
    """Draws a class, rare ones more often, and then one of its images.

    The index of a sample is not used: class and image are drawn with NumPy's
    global random state, which ``DomainDataset`` seeds for each sample, so
    that a resumed run and any number of workers or processes get the same
    data. ``get_data_info`` and the length are those of the data set inside.

    Pixels are counted in the label files as they are on disk, before any
    crop or resizing, by one process when the data set is built. They are kept
    in a file and counted anew where labels have changed.

    Args:
        dataset: Config of a labelled data set, or a list of several, which
            are sampled as one.
        temperature: T > 0 of ``class_probabilities``.
        min_pixels: Images are drawn from those with more pixels of the class.
        statistics: File of the counts; by default one for this data below
            ``work_dirs/class_statistics``.
        num_workers: Threads that count.
        crop_pixels: Run the pipeline of an image again while its sample has
            no more pixels of the class than this, as DAFormer does (3000
            there, times 0.5); None takes what the first run gives. The file
            is read once.
        tries: How often to run it again at most; then the last one is taken,
            whatever it shows.
        lazy_init: Whether counting is left to ``full_init``.

    Raises:
        ConfigError: An option is out of its range, or the data set has no
            labels.
        DataError: A label can't be read, or no image has enough pixels of
            any class.
    """

    _fully_initialized: bool

    # A BaseDataset since mmengine concatenates nothing else; what that class
    # stores belongs to the data set inside.
    def __init__(
        self,
        dataset: Mapping[str, Any] | Dataset | Sequence[Any],
        temperature: float = 0.01,
        min_pixels: int = 3000,
        statistics: str | None = None,
        num_workers: int = 4,
        crop_pixels: int | None = None,
        tries: int = 10,
        lazy_init: bool = False,
    ) -> None:
        WHOLE.require(min_pixels, 'RareClassSampling.min_pixels')
        WHOLE.require(tries, 'RareClassSampling.tries')
        COUNT.require(num_workers, 'RareClassSampling.num_workers')
        optional(WHOLE).require(crop_pixels, 'RareClassSampling.crop_pixels')
        _TEMPERATURE.require(temperature, 'RareClassSampling.temperature')
        # It builds lists, and compares their classes. Whose domain they are
        # is known to what builds this.
        self.dataset = build_domain(None, dataset)
        self.temperature = temperature
        self.min_pixels = min_pixels
        self.statistics = statistics
        self.num_workers = num_workers
        self.crop_pixels = crop_pixels
        self.tries = tries
        if not lazy_init:
            self.full_init()

    @property
    def metainfo(self) -> dict:
        """Classes and palette of the data set inside."""
        return self.dataset.metainfo

    def full_init(self) -> None:
        """List the files and count what was not counted before."""
        if self._fully_initialized:
            return
        self.dataset.full_init()
        statistics = shared_class_statistics(
            self.dataset, self.statistics, self.num_workers
        )
        self.probabilities = class_probabilities(
            statistics, self.temperature, self.min_pixels
        )
        self._images = [
            np.flatnonzero(pixels > self.min_pixels)
            for pixels in statistics.pixels.T
        ]
        self._fully_initialized = True
        _warn_of_classes_left_out(statistics, self.min_pixels)

    def get_data_info(self, idx: int) -> dict:
        """Return a sample of the data set inside, by its index there."""
        return self.dataset.get_data_info(idx)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict:
        """Draw a sample; the index is not used.

        Raises:
            ConfigError: ``crop_pixels`` is set, but the samples have no
                ground truth.
        """
        self.full_init()
        label = self.draw_class()
        image = self.draw_image(label)
        if self.crop_pixels is None:
            return self.dataset[image]
        with kept_first_steps(leaf_datasets(self.dataset)):
            sample = self.dataset[image]
            for _ in range(self.tries):
                if _pixels_of(label, sample) > self.crop_pixels:
                    break
                sample = self.dataset[image]
        return sample

    def draw_class(self) -> int:
        """Draw a train id."""
        return int(
            np.random.choice(len(self.probabilities), p=self.probabilities)
        )

    def draw_image(self, label: int) -> int:
        """Draw the index of an image with enough pixels of a class."""
        return int(np.random.choice(self._images[label]))


def _pixels_of(label: int, sample: dict) -> int:
    """Count the pixels of a class in the ground truth of a sample."""
    data_sample = sample.get('data_samples', {})
    if 'gt_sem_seg' not in data_sample:
        raise ConfigError(
            'RareClassSampling: crop_pixels needs ground truth in each '
            'sample; put LoadLabels and PackDomainInputs into the pipeline, '
            'or leave crop_pixels out'
        )
    return int((data_sample.gt_sem_seg.data == label).sum())


def _warn_of_classes_left_out(
    statistics: ClassStatistics, min_pixels: int
) -> None:
    occur = statistics.pixels.any(axis=0)
    found = statistics.images_with_more_than(min_pixels) > 0
    names = [statistics.classes[i] for i in np.flatnonzero(occur & ~found)]
    if names:
        MMLogger.get_current_instance().warning(
            f'rare-class sampling never draws {", ".join(names)}: no image '
            f'has more than min_pixels={min_pixels} pixels of any of them, '
            'so the other classes are drawn instead'
        )
