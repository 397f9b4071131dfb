# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""One run of a tool."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mmengine.config import Config


@dataclass(frozen=True)
class Stage:
    """One run of a tool.

    Attributes:
        name: Such as ``self_training/cycle_0/train``.
        tool: File name of the tool.
        arguments: Of the tool.
        result: The file that the finished stage has written last.
        config: Makes what to write to ``config_file`` before the run; it may
            read results of earlier stages.
        config_file: The first argument of tools that take a config.
        uses: Files and numbers that the result depends on, by the name they
            have in the state file.
        distributed: Whether results do not depend on the number of processes.
        marker: File that is written after the tool has ended well, for tools
            that go on working after their result is there.
        work: Iterations of a training.
        fallback: What to take for the result if ``uses['images']`` lists no
            image, so that there is nothing to do.
    """

    name: str
    tool: str
    arguments: tuple[str, ...]
    result: Path
    config: Callable[[], Config] | None = None
    config_file: Path | None = None
    uses: Mapping[str, object] = field(default_factory=dict)
    distributed: bool = False
    marker: Path | None = None
    work: int = 0
    fallback: Path | None = None

    @property
    def is_done(self) -> bool:
        """Whether an earlier run finished the stage."""
        files = filter(None, (self.result, self.marker))
        return all(file.is_file() for file in files)

    @property
    def has_no_images(self) -> bool:
        """Whether the list of its images is there and empty."""
        images = self.uses.get('images')
        if self.fallback is None or not isinstance(images, Path):
            return False
        return images.is_file() and not images.read_bytes().strip()

    @property
    def folder(self) -> Path:
        """Where the stage writes."""
        return self.result.parent


# Stages that do not depend on each other and may run side by side.
Step = tuple[Stage, ...]
