# Copyright (c) mmuda authors.
"""Checkpoints and configs of other projects, to and from mmuda's."""

from .from_advent import (
    discriminator_from_published,
    discriminator_to_published,
    segmentor_from_published,
    segmentor_to_published,
)
from .segmentor import (
    OWN_TEST_DATA,
    needed_types,
    own_parts,
    plain_config,
    strip_segmentor_prefix,
    weights_of_plain,
)
from .state_dicts import (
    find_state_dict,
    load_state_dict_file,
    write_checkpoint,
)

__all__ = [
    'OWN_TEST_DATA',
    'discriminator_from_published',
    'discriminator_to_published',
    'find_state_dict',
    'load_state_dict_file',
    'needed_types',
    'own_parts',
    'plain_config',
    'segmentor_from_published',
    'segmentor_to_published',
    'strip_segmentor_prefix',
    'weights_of_plain',
    'write_checkpoint',
]
