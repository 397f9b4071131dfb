# Copyright (c) mmuda authors.
"""Comparing the classes that a network was trained for with those in use."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmuda.utils.errors import CheckpointError, ConfigError


def stored_classes(checkpoint: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Classes that a checkpoint says it was trained for.

    Args:
        checkpoint: Content of a checkpoint file; of mmseg before 1.0, too,
            which named them ``CLASSES``.

    Returns:
        Their names in order; None if the file does not tell.
    """
    meta = checkpoint.get('meta')
    if not isinstance(meta, Mapping):
        return None
    about = meta.get('dataset_meta')
    about = about if isinstance(about, Mapping) else meta
    names = about.get('classes', about.get('CLASSES'))
    if not isinstance(names, list | tuple) or not names:
        return None
    return tuple(names) if all(isinstance(n, str) for n in names) else None


def require_trained_classes(
    trained: Sequence[str] | None,
    classes: Sequence[str],
    file: str,
    data: str,
    remedy: str = '',
) -> None:
    """Refuse data with other classes than a network was trained for.

    Upper case, underscores and hyphens do not matter.

    Args:
        trained: Names by train id; None is not compared.
        classes: Names by train id in the data.
        file: The checkpoint, for messages.
        data: The data, for messages, such as ``test data``.
        remedy: What else the user can do.

    Raises:
        CheckpointError: Names or their order differ.
    """
    if trained is None:
        return
    pairs = [
        (index, old, new)
        for index, (old, new) in enumerate(zip(trained, classes, strict=False))
        if plain_name(old) != plain_name(new)
    ]
    if not pairs and len(trained) == len(classes):
        return
    if sorted(map(plain_name, trained)) == sorted(map(plain_name, classes)):
        what = 'the same classes in another order'
    elif len(trained) != len(classes):
        what = f'{len(trained)} classes instead of {len(classes)}'
    else:
        what = 'other classes'
    examples = ', '.join(
        f"{index} is '{old}' there, '{new}' here"
        for index, old, new in pairs[:3]
    )
    raise CheckpointError(
        f'{file} was trained for {what} as compared with the {data}'
        f'{f" ({examples})" if examples else ""}; write the classes of the '
        f'config in the order of the checkpoint: {", ".join(trained)}{remedy}'
    )


def plain_name(name: str) -> str:
    """A name without what does not matter when names are compared."""
    return ' '.join(name.lower().replace('_', ' ').replace('-', ' ').split())


def class_ids(
    chosen: Sequence[str | int], classes: Sequence[str] | None, place: str
) -> list[int]:
    """Train ids of some classes.

    Upper case, underscores and hyphens of names do not matter.

    Args:
        chosen: Names or train ids.
        classes: Names by train id in the data; None if they are not known.
        place: Keys that lead to the choice in the config, for messages.

    Raises:
        ConfigError: A name is unknown.
    """
    known = [plain_name(name) for name in classes or ()]
    ids = []
    for name in chosen:
        if isinstance(name, str) and plain_name(name) not in known:
            there = 'its classes are not known here; write train ids'
            if known:
                there = f'it has {", ".join(classes or ())}'
            raise ConfigError(f"{place}: the data has no '{name}' ({there})")
        ids.append(
            known.index(plain_name(name)) if isinstance(name, str) else name
        )
    return ids
