# Copyright (c) mmuda authors.
"""Several data sets as one."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.dataset import BaseDataset
from mmengine.dataset import ConcatDataset as _ConcatDataset

from mmuda.datasets.class_gaps import UNLABELLED
from mmuda.datasets.segmentation_dataset import (
    SegmentationDataset,
    require_same_classes,
)
from mmuda.registry import DATASETS


@DATASETS.register_module()
class ConcatDataset(_ConcatDataset):
    """mmengine's, of parts whose labels may lack different classes.

    Labels of the whole can't be what those of no part can be.

    Args:
        datasets: The parts: data sets or their configs.
        lazy_init: Whether listing files is left to ``full_init``.
        ignore_keys: Names of meta information in which parts may differ.

    Raises:
        ValueError: Their meta information differs.
    """

    def __init__(
        self,
        datasets: Sequence[BaseDataset | Mapping[str, Any]],
        lazy_init: bool = False,
        ignore_keys: str | list[str] | None = None,
    ) -> None:
        given = [ignore_keys] if isinstance(ignore_keys, str) else ignore_keys
        super().__init__(datasets, lazy_init, [*(given or ()), UNLABELLED])

    @property
    def metainfo(self) -> dict:
        """That of the first part, and classes that all parts lack."""
        meta = super().metainfo
        first, *others = (
            part.metainfo.get(UNLABELLED, ()) for part in self.datasets
        )
        lacking = (name for name in first if all(name in o for o in others))
        meta.pop(UNLABELLED, None)
        classes = tuple(lacking)
        return meta | ({UNLABELLED: classes} if classes else {})


def concatenate(
    name: str, parts: Sequence[SegmentationDataset]
) -> ConcatDataset:
    """Join the data sets of a domain.

    Args:
        name: What messages call it.
        parts: At least one; their palettes may differ.

    Raises:
        ConfigError: Their classes differ.
    """
    # Checked first, since ConcatDataset's message does not name the classes.
    require_same_classes({f'{name}[{i}]': p for i, p in enumerate(parts)})
    return ConcatDataset(parts, ignore_keys='palette')
