# Copyright (c) mmuda authors.
"""Label ids as those of Mapillary Vistas, and its config files.

Source: ``config.json`` of v1.2 and ``config_v2.0.json`` of the data set, which
list the labels in the order of their ids. Readable names and colours are
those that mmseg has.
"""

import json

import numpy as np
from mmseg.datasets import MapillaryDataset_v1, MapillaryDataset_v2

from street_scenes.encoders import palette_png
from street_scenes.street_labels import LABELS

_METAINFO = {
    'v1.2': MapillaryDataset_v1.METAINFO,
    'v2.0': MapillaryDataset_v2.METAINFO,
}
VERSIONS = tuple(_METAINFO)
_KIND = {
    'v1.2': {'version': 1.1, 'mapping': 'public'},
    'v2.0': {'version': '2.0', 'mapping': 'mvd20'},
}
_FOLDERS = '{split}/{content}/{key:.{22}}.{ext}'

# Other readable names than that of Cityscapes in title case. Scenes have one
# label for riders and one for traffic lights of any kind.
_UNLABELED = (
    'rectification border',
    'out of roi',
    'dynamic',
    'ground',
)
_READABLE = {
    **dict.fromkeys(_UNLABELED, 'Unlabeled'),
    'static': 'Trash Can',
    'rider': 'Bicyclist',
    'traffic sign': 'Traffic Sign (Front)',
    'train': 'On Rails',
    'autorickshaw': 'Other Vehicle',
}
_OTHERS = {
    'v1.2': {'polegroup': 'Unlabeled'},
    'v2.0': {
        'polegroup': 'Pole Group',
        'traffic light': 'Traffic Light - General (Upright)',
        'billboard': 'Signage - Advertisement',
    },
}

# Common first part of names, then their last parts, in the order of the ids;
# of those with a star each thing is told apart (``instances``).
_NAMES = {
    'v1.2': (
        ('animal', 'bird* ground-animal*'),
        ('construction--barrier', 'curb fence guard-rail other-barrier wall'),
        (
            'construction--flat',
            'bike-lane crosswalk-plain* curb-cut parking pedestrian-area '
            'rail-track road service-lane sidewalk',
        ),
        ('construction--structure', 'bridge building tunnel'),
        ('human', 'person*'),
        ('human--rider', 'bicyclist* motorcyclist* other-rider*'),
        ('marking', 'crosswalk-zebra* general'),
        ('nature', 'mountain sand sky snow terrain vegetation water'),
        (
            'object',
            'banner* bench* bike-rack* billboard* catch-basin* '
            'cctv-camera* fire-hydrant* junction-box* mailbox* manhole* '
            'phone-booth* pothole street-light* support--pole* '
            'support--traffic-sign-frame* support--utility-pole* '
            'traffic-light* traffic-sign--back* traffic-sign--front* '
            'trash-can*',
        ),
        (
            'object--vehicle',
            'bicycle* boat* bus* car* caravan* motorcycle* on-rails '
            'other-vehicle* trailer* truck* wheeled-slow*',
        ),
        ('void', 'car-mount ego-vehicle unlabeled'),
    ),
    'v2.0': (
        ('animal', 'bird* ground-animal*'),
        (
            'construction--barrier',
            'ambiguous concrete-block curb fence guard-rail other-barrier '
            'road-median road-side separator temporary* wall',
        ),
        (
            'construction--flat',
            'bike-lane crosswalk-plain* curb-cut driveway* parking '
            'parking-aisle pedestrian-area rail-track road road-shoulder '
            'service-lane sidewalk traffic-island',
        ),
        ('construction--structure', 'bridge building garage tunnel'),
        ('human--person', 'individual* person-group'),
        ('human--rider', 'bicyclist* motorcyclist* other-rider*'),
        ('marking--continuous', 'dashed solid zigzag'),
        (
            'marking--discrete',
            'ambiguous arrow--left* arrow--other* arrow--right* '
            'arrow--split-left-or-straight* '
            'arrow--split-right-or-straight* arrow--straight* '
            'crosswalk-zebra* give-way-row* give-way-single* '
            'hatched--chevron hatched--diagonal other-marking* stop-line* '
            'symbol--bicycle* symbol--other* text*',
        ),
        (
            'marking-only',
            'continuous--dashed discrete--crosswalk-zebra '
            'discrete--other-marking discrete--text',
        ),
        ('nature', 'mountain sand sky snow terrain vegetation water'),
        (
            'object',
            'banner* bench* bike-rack* catch-basin* cctv-camera* '
            'fire-hydrant* junction-box* mailbox* manhole* parking-meter* '
            'phone-booth* pothole',
        ),
        (
            'object--sign',
            'advertisement* ambiguous* back* information* other* store*',
        ),
        (
            'object',
            'street-light* support--pole* support--pole-group '
            'support--traffic-sign-frame* support--utility-pole* '
            'traffic-cone*',
        ),
        (
            'object--traffic-light',
            'general-single* pedestrians* general-upright* '
            'general-horizontal* cyclists* other*',
        ),
        (
            'object--traffic-sign',
            'ambiguous* back* direction-back* direction-front* front* '
            'information-parking* temporary-back* temporary-front*',
        ),
        ('object', 'trash-can*'),
        (
            'object--vehicle',
            'bicycle* boat* bus* car* caravan* motorcycle* on-rails* '
            'other-vehicle* trailer* truck* vehicle-group wheeled-slow*',
        ),
        ('object', 'water-valve*'),
        ('void', 'car-mount dynamic ego-vehicle ground static unlabeled'),
    ),
}
_NOT_EVALUATED = ('ambiguous', '-group', 'unlabeled')


def vistas_ids(version: str) -> np.ndarray:
    """Return the Vistas id of every label id of the scenes, uint8 (256,)."""
    ids = _METAINFO[version]['classes'].index
    others = {**_READABLE, **_OTHERS[version]}
    table = np.full(256, ids('Unlabeled'), np.uint8)
    for label in LABELS:
        table[label.label_id] = ids(others.get(label.name, label.name.title()))
    return table


def vistas_config(version: str) -> bytes:
    """Return the content of the config file of a version."""
    metainfo = _METAINFO[version]
    names = [
        f'{first}--{last}'
        for first, parts in _NAMES[version]
        for last in parts.split()
    ]
    labels = [
        {
            'name': name.rstrip('*'),
            'readable': readable,
            'instances': name.endswith('*'),
            'evaluate': not name.rstrip('*').endswith(_NOT_EVALUATED),
            'color': list(colour),
        }
        for name, readable, colour in zip(
            names, metainfo['classes'], metainfo['palette'], strict=True
        )
    ]
    kind = {**_KIND[version], 'folder_structure': _FOLDERS}
    content = {'labels': labels, **kind}
    return (json.dumps(content, indent=2) + '\n').encode()


def encode_vistas_ids(
    version: str, image: np.ndarray, label_ids: np.ndarray
) -> bytes:
    """Encode the label ids as PNG with the ids and colours of Vistas."""
    colours = _METAINFO[version]['palette']
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(colours)] = colours
    return palette_png(vistas_ids(version)[label_ids], palette)
