# Copyright (c) mmuda authors.
"""What a layout of a data set says."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from street_scenes.encoders import Encoder
from street_scenes.street_domains import Domain


class SceneLayout(ABC):
    """How a data set lies on disk.

    Attributes:
        name: Name of the folder that the tool writes it to.
        domain: Built-in domain that it shows by default.
        size: Default width and height.
        splits: Names of its splits.
    """

    name: ClassVar[str]
    domain: ClassVar[str]
    size: ClassVar[tuple[int, int]]
    splits: ClassVar[tuple[str, ...]]

    @abstractmethod
    def files(self, split: str, number: int) -> Mapping[str, Encoder]:
        """Return the files of one scene, path under the root to encoder."""

    def scene_size(
        self, number: int, size: tuple[int, int]
    ) -> tuple[int, int]:
        """Return width and height of a scene of a data set of a size."""
        return size

    def domain_of(self, split: str, number: int, domain: Domain) -> Domain:
        """Return what a scene of a data set of a domain looks like."""
        return domain

    def common_files(self) -> Mapping[str, bytes]:
        """Return what else there is, path under the root to content."""
        return {}
