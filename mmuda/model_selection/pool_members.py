# Copyright (c) mmuda authors.
"""Which checkpoints and networks are asked beside one that is judged."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmengine.config import Config

from mmuda.models.followers import TEACHER
from mmuda.models.trained import stores_network
from mmuda.registry import MODELS
from mmuda.utils.compat import local_checkpoint

_NUMBER = re.compile(r'iter_(\d+)\.pth')
# As MMEngine names them: the best ones by a score, which is named, too.
_OF_TRAINING = re.compile(r'(best_.+_)?iter_(\d+)\.pth')
_POOLED = 3


@dataclass(frozen=True)
class Member:
    """A checkpoint that is compared with others.

    Attributes:
        file: The checkpoint.
        cfg: Config of its network, with the data sets of all and the
            pipelines by which it sees them.
        network: What predicts in place of the network that the config tests,
            such as ``teacher``; None for that one.
        votes: Whether it has a part in the mean that all are compared with.
        origin: Where its config is from, for messages; empty for the one
            that the comparison has.
    """

    file: str
    cfg: Config
    network: str | None = None
    votes: bool = True
    origin: str = ''


def pool_of(checkpoint: str, given: Sequence[str] | None) -> list[str]:
    """Checkpoints that a harm report asks besides.

    Args:
        checkpoint: Of the adapted network.
        given: What a user names.

    Returns:
        Of None the last ones before it of its run. Others are preceded by
        the last one before it, if none of them is an earlier one of its run.
    """
    if given is None:
        return earlier_checkpoints(checkpoint)
    if not given or last_before(checkpoint, given) is not None:
        return list(given)
    return [*earlier_checkpoints(checkpoint, 1), *given]


def earlier_checkpoints(checkpoint: str, count: int = _POOLED) -> list[str]:
    """The last checkpoints of the same run before one.

    Args:
        checkpoint: ``iter_<n>.pth`` among others of its run.
        count: How many at most.

    Returns:
        The newest first; none for a file of another name.
    """
    path = Path(checkpoint)
    match = _NUMBER.fullmatch(path.name)
    if match is None:
        return []
    before = {
        int(other[1]): str(file)
        for file in path.parent.glob('iter_*.pth')
        if (other := _NUMBER.fullmatch(file.name))
        and int(other[1]) < int(match[1])
    }
    return [before[number] for number in sorted(before, reverse=True)][:count]


def last_before(checkpoint: str, files: Sequence[str]) -> str | None:
    """The last of some checkpoints that the run of one has saved before it.

    Args:
        checkpoint: ``iter_<n>.pth`` or ``best_<score>_iter_<n>.pth``.
        files: Checkpoints of any run.
    """
    iterations = {
        file: int(match[2])
        for file in (checkpoint, *files)
        if of_same_run(checkpoint, file)
        and (match := _OF_TRAINING.fullmatch(Path(file).name))
    }
    before = {
        file: number
        for file, number in iterations.items()
        if number < iterations[checkpoint]
    }
    return max(before, key=before.__getitem__, default=None)


def of_same_run(file: str, other: str) -> bool:
    """Whether two files are checkpoints of one training.

    Args:
        file: A checkpoint.
        other: Another one, or the same.

    Returns:
        True for one file, and for two in a folder with the names that
        trainings write, ``iter_<n>.pth`` or ``best_<score>_iter_<n>.pth``.
        Copies under other names, such as ``advent_iter_<n>.pth``, may be of
        any training.
    """
    paths = [Path(path).expanduser().resolve() for path in (file, other)]
    if paths[0] == paths[1]:
        return True
    of_training = all(_OF_TRAINING.fullmatch(path.name) for path in paths)
    return of_training and paths[0].parent == paths[1].parent


def with_other_network(members: Sequence[Member]) -> list[Member]:
    """Let networks of a harm report predict, and the judged one's other one.

    Args:
        members: The adapted checkpoint first.

    Returns:
        The same, each by a network that it has; and once more the first one,
        by its other network, if it has a student and a teacher.
    """
    judged, *others = members
    # The one that is judged must have what is tested.
    found = [judged, *only_networks(others)]
    model = MODELS.build(judged.cfg.model)
    if getattr(model, 'teacher', None) is None:
        return found
    if stores_network(local_checkpoint(judged.file), TEACHER):
        tests_teacher = model.predict_on == TEACHER
        other = model.main if tests_teacher else TEACHER
        found.append(replace(judged, network=other))
    return found


def only_networks(members: Sequence[Member]) -> list[Member]:
    """Let the only network predict where a teacher would, and is not stored.

    Args:
        members: Checkpoints.

    Returns:
        The same, with ``network`` where it is not the tested one.
    """
    return [
        replace(member, network=MODELS.get(member.cfg.model.type).main)
        if member.cfg.model.get('predict_on') == TEACHER
        and not stores_network(local_checkpoint(member.file), TEACHER)
        else member
        for member in members
    ]
