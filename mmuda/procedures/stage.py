# Copyright (c) mmuda authors.
"""Runs of tools, and what procedures are made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

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
        title: What to call it while it runs, if not by its name.
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
    title: str = ''

    @property
    def is_training(self) -> bool:
        """Whether it runs the tool that trains."""
        return self.tool == 'train.py'

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
    def heading(self) -> str:
        """What to call it while it runs."""
        return self.title or self.name

    @property
    def folder(self) -> Path:
        """Where the stage writes."""
        return self.result.parent


# Stages that do not depend on each other and may run side by side.
Step = tuple[Stage, ...]


class Measured(NamedTuple):
    """What the cost of a procedure is measured with, before it has run.

    Attributes:
        training: Config that can be trained without pseudo-labels.
        labelling: Config that says what to label, and how.
        translated: Data sets whose images are translated.
    """

    training: Config
    labelling: Config
    translated: tuple[dict, ...] = ()


class Procedure(Protocol):
    """Trainings and labellings in turns: an algorithm of a paper."""

    @property
    def work_dir(self) -> Path:
        """Folder of everything."""

    def steps(self) -> list[Step]:
        """All steps; the stages of one do not depend on each other."""

    def measured(self) -> Measured:
        """What its cost is measured with."""

    def config_of(self, stage: Stage) -> Config:
        """Config of a training."""

    def images_of(self, stage: Stage) -> int | None:
        """Images that a stage labels or merges at most; None for all."""
