# Copyright (c) mmuda authors.
"""What is known of a checkpoint, computed once."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmuda.evaluation.accuracy_estimates import SourceState
from mmuda.evaluation.harm_alarms import Evidence
from mmuda.evaluation.label_free_state import LabelFreeState
from mmuda.model_selection.selection_data import Sampling
from mmuda.utils.errors import DataError
from mmuda.utils.files import atomic_path, atomic_write, read_arrays
from mmuda.utils.json_files import (
    read_json,
    read_plain_file,
    without_nan,
)

# Of what is cached; another number makes all of it anew.
_VERSION = 3
_REMEDY = 'remove it to compute it anew'


@dataclass(frozen=True)
class CacheKey:
    """What cached values depend on.

    Attributes:
        sampling: On which images.
        data: What the data sets of the config are, as text.
        network: How checkpoints become predictions, as text.
    """

    sampling: Sampling
    data: str
    network: str = ''

    def of(self, checksums: Sequence[str]) -> str:
        """Name of the files of one checkpoint, or of several together.

        Args:
            checksums: SHA-256 of each file.
        """
        depends = asdict(self.sampling)
        depends.pop('workers')
        parts = [_VERSION, depends, self.data, self.network, *checksums]
        text = json.dumps(parts)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


class ExperimentCache:
    """Files of an experiment that is continued after a stop.

    Args:
        folder: Where they are; made if missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, name: str, kind: Any = dict[str, Any]) -> Any:
        """Read what :meth:`write` wrote; None if there is nothing.

        Args:
            name: Of the file.
            kind: What has to be in it, as of ``read_json``.

        Raises:
            DataError: The file is damaged.
        """
        path = self.folder / f'{name}.json'
        return read_json(path, _REMEDY, kind) if path.is_file() else None

    def write(self, name: str, content: dict[str, Any]) -> None:
        """Write values as JSON.

        Args:
            name: Of the file.
            content: Numbers that are not finite are written as None.
        """
        text = json.dumps(without_nan(content), indent=1)
        atomic_write(self.folder / f'{name}.json', text + '\n')

    def write_evidence(self, name: str, evidence: Evidence) -> None:
        """Write the sums of a checkpoint.

        Args:
            name: Of the file.
            evidence: Without its agreement with a pool.
        """
        arrays = {f'state.{k}': v for k, v in evidence.state.sums.items()}
        arrays['state.counts'] = evidence.state.confidences.counts
        if evidence.source is not None:
            source = evidence.source
            arrays |= {
                'source.confusion': source.confusion,
                'source.right': source.right.counts,
                'source.wrong': source.wrong.counts,
                'source.confidence': source.confidence,
                'source.images': source.images,
            }
        path = self.folder / f'{name}.npz'
        with atomic_path(path) as temporary, temporary.open('wb') as file:
            values: Any = {k: v.cpu().numpy() for k, v in arrays.items()}
            np.savez_compressed(file, **values)

    def read_evidence(self, name: str) -> Evidence | None:
        """Read what :meth:`write_evidence` wrote; None if there is nothing.

        Raises:
            DataError: The file is damaged.
        """
        path = self.folder / f'{name}.npz'
        if not path.is_file():
            return None
        data = read_plain_file(path, _REMEDY)
        try:
            arrays = {
                key: torch.from_numpy(np.array(value))
                for key, value in read_arrays(data).items()
            }
            return _evidence(arrays)
        except (KeyError, ValueError, TypeError, RuntimeError) as error:
            raise DataError(
                f"'{path}' is damaged ({error}); {_REMEDY}"
            ) from error


def _evidence(arrays: dict[str, torch.Tensor]) -> Evidence:
    classes, bins = arrays['state.counts'].shape
    state = LabelFreeState(classes, bins)
    for name in state.sums:
        state.sums[name] = arrays[f'state.{name}']
    state.confidences.counts = arrays['state.counts']
    if 'source.confusion' not in arrays:
        return Evidence(state)
    source = SourceState(classes, bins)
    source.confusion = arrays['source.confusion']
    source.right.counts = arrays['source.right']
    source.wrong.counts = arrays['source.wrong']
    source.confidence = arrays['source.confidence']
    source.images = arrays['source.images']
    return Evidence(state, source)
