# Copyright (c) mmuda authors.
"""Predictions in the ids and under the names that servers want.

Sources: Cityscapes' evaluation script (label ids; names begin with city,
sequence and frame); the submission page of ACDC (train ids at the size of the
image, the image's name), which Dark Zurich shares; AutoNUE's
``evaluate_mIoU.py`` and ``anue_labels.py`` (level-3 ids, and the names of
labels in a folder for each drive); LoveDA's ``predict.py`` (0 to 6 under the
name of the image) and what its authors answer to failed submissions (issues 6
and 32: the files themselves in the archive, no folder).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmuda.datasets.domain_dataset import leaf_datasets
from mmuda.datasets.labels.idd_labels import IDD_LEVEL3_IDS
from mmuda.datasets.labels.label_maps import ID_NAMES, LABEL_SETS
from mmuda.datasets.prediction_names import image_paths
from mmuda.datasets.segmentation_dataset import SegmentationDataset
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.text import shorten


@dataclass(frozen=True)
class ServerFormat:
    """What a server wants.

    Attributes:
        name: Of the format.
        ids: Id of each class.
        image: Regular expression that finds, in the path of an image, what
            names its prediction.
        example: Such a path, for messages.
        file: Path of a prediction without ``.png``, from what was found.
        label_set: Whose classes have ids, for messages.
    """

    name: str
    ids: Mapping[str, int]
    image: str
    example: str
    file: str
    label_set: str = 'cityscapes19'

    def table(
        self, classes: Sequence[str], option: str = '--format'
    ) -> np.ndarray:
        """Return the id of each class.

        Args:
            classes: Those that are predicted.
            option: What named the format, for messages.

        Returns:
            (C,) uint8.

        Raises:
            ConfigError: A class has no id.
        """
        unknown = [name for name in classes if name not in self.ids]
        if unknown:
            raise ConfigError(
                f'{option} {self.name}: the server has no id for the classes '
                f'{shorten(repr(unknown))}; test a model of its classes, '
                f'such as label_set={self.label_set!r}'
            )
        return np.array([self.ids[name] for name in classes], np.uint8)

    def names(self, dataset: SegmentationDataset) -> dict[str, str]:
        """Name a file for each image, so that none overwrites another.

        Args:
            dataset: Any segmentation data set, or several as one.

        Returns:
            Names with ``/`` and without ``.png``, by the path of the image.

        Raises:
            DataError: An image has another name than those of the benchmark,
                or two images would share a file.
        """
        paths: dict[str, str] = {}
        for part in leaf_datasets(dataset):
            for path in image_paths(part):
                name = self._name_of(path)
                other = paths.setdefault(name, path)
                if other != path:
                    raise DataError(
                        f'--format {self.name}: {name + ".png"!r} would be '
                        f'the prediction of {other!r} and of {path!r}; export '
                        'one of them alone, or use --out'
                    )
        return {path: name for name, path in paths.items()}

    def _name_of(self, path: str) -> str:
        found = re.search(self.image, path)
        if found is None:
            raise DataError(
                f'--format {self.name}: {path!r} is not named as images of '
                f'the benchmark are ({self.example}), by which the server '
                'finds predictions; test its images, or use --out'
            )
        return self.file.format(*found.groups())


_BY_NAME = {name: i for i, name in ID_NAMES['train_ids'].items()}
FORMATS = {
    server.name: server
    for server in (
        ServerFormat(
            'cityscapes',
            {name: i for i, name in ID_NAMES['cityscapes'].items()},
            r'([^/_]+_\d{6}_\d{6})[^/]*$',
            'berlin_000000_000019_leftImg8bit.png',
            '{}_pred_labelIds',
        ),
        ServerFormat(
            'acdc',
            _BY_NAME,
            r'([^/]+_rgb_anon)\.\w+$',
            'GOPR0475_frame_000260_rgb_anon.png',
            'labelTrainIds/{}',
        ),
        ServerFormat(
            'idd',
            {name: IDD_LEVEL3_IDS[i] for i, name in ID_NAMES['idd'].items()},
            r'([^/]+)/([^/]+)_leftImg8bit\.\w+$',
            '119/000123_leftImg8bit.png',
            '{}/{}_gtFine_labellevel3Ids',
        ),
        ServerFormat(
            'loveda',
            {name: i for i, name in enumerate(LABEL_SETS['loveda7'])},
            r'(?:^|/)(\d+)\.png$',
            '4191.png',
            '{}',
            'loveda7',
        ),
    )
}
