# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""What data sets of mmuda, mmseg and mmengine have in common."""

from typing import Any, Protocol


class SegmentationDataset(Protocol):
    """The images of a domain: a data set, or several joined or wrapped.

    All of mmengine's ``BaseDataset``, its ``ConcatDataset`` and its wrappers
    are such, but not a ``DomainDataset``, which holds one for each domain.
    """

    @property
    def metainfo(self) -> dict[str, Any]:
        """Classes, palette and ``label_set``, where they are known."""

    def full_init(self) -> None:
        """List the files, if that was not yet done."""

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """Return what is known of a sample before it is loaded."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Load a sample."""

    def __len__(self) -> int:
        """Number of samples."""
