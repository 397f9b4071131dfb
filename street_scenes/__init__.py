# Copyright (c) mmuda authors.
"""Procedural street scenes in the file layouts of the real data sets."""

from street_scenes.presets import DOMAINS, get_domain
from street_scenes.render import render_label_ids, render_scene
from street_scenes.street_domains import (
    Domain,
    Look,
    SceneStatistics,
)
from street_scenes.writers import (
    WriteReport,
    write_acdc,
    write_bdd100k,
    write_carla,
    write_cityscapes,
    write_dark_zurich,
    write_gta5,
    write_idd,
    write_mapillary,
    write_scenes,
    write_synscapes,
    write_synthia,
    write_urbansyn,
)

__all__ = [
    'DOMAINS',
    'Domain',
    'Look',
    'SceneStatistics',
    'WriteReport',
    'get_domain',
    'render_label_ids',
    'render_scene',
    'write_acdc',
    'write_bdd100k',
    'write_carla',
    'write_cityscapes',
    'write_dark_zurich',
    'write_gta5',
    'write_idd',
    'write_mapillary',
    'write_scenes',
    'write_synscapes',
    'write_synthia',
    'write_urbansyn',
]
