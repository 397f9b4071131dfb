# Copyright (c) mmuda authors.
"""Names and numbers that the whole house agrees on."""

# Domains; several targets have nick names.
SOURCE = 'source'
TARGET = 'target'
# A few images of a target whose labels training may see.
LABELLED_TARGET = 'labelled_target'
# Those whose ground truth is learned.
LABELLED = (SOURCE, LABELLED_TARGET)
# Key of a config: data sets of targets that a training does not see, by name.
UNSEEN = 'unseen_targets'
# Train id of a pixel that counts nowhere.
IGNORE_ID = 255
# File of a folder of pseudo-labels, written last.
MANIFEST = 'manifest.json'
# File beside it: how right they are, where that was measured.
ACCURACY = 'accuracy.json'
# File of a work directory: whether adaptation seems to have harmed.
HARM_REPORT = 'harm_report.json'
# What is logged of learning by a teacher: the part of the pixels that it is
# sure of, and that of mixed images which is of the source.
SHARES = ('pseudo_label_weight', 'mixed_share')
# Heads of a segmentor: the main one, an auxiliary one (of several ``aux_0``,
# ``aux_1``, ...), and one that looks at all targets together. Heads of a
# target are ``<target>.decode`` and ``<target>.aux``.
DECODE = 'decode'
AUX = 'aux'
ENSEMBLE = 'ensemble'


def head_name(target: str, level: str = DECODE) -> str:
    """Name of a target's own head.

    Args:
        target: Name of the target.
        level: ``decode`` or ``aux``.
    """
    return f'{target}.{level}'


def split_head_name(name: str) -> tuple[str | None, str]:
    """Target and level of a head, as :func:`head_name` joins them.

    Args:
        name: Name of a head.

    Returns:
        The target is None for a head of all targets.
    """
    target, dot, level = name.rpartition('.')
    return (target, level) if dot else (None, level)
