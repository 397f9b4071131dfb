"""What the domains look like beside each other."""

from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from street_scenes import (
    render_label_ids,
    render_scene,
    write_cityscapes,
)
from street_scenes.street_labels import (
    LABEL_IDS,
    to_cityscapes_ids,
    to_train_ids,
)

NAMES = ('gta5', 'cityscapes', 'idd', 'mapillary')
LARGE = (0, 1, 2, 8, 10)  # road, sidewalk, building, vegetation, sky


@pytest.fixture(scope='module')
def scenes():
    return {
        name: [render_scene(name, 3, index, (160, 90)) for index in range(20)]
        for name in NAMES
    }


def mean_colours(scenes):
    """Mean colour of each large class, (classes, 3)."""
    return np.array(
        [
            np.mean(
                [
                    image[i == c].mean(0)
                    for image, i in scenes
                    if (i == c).any()
                ],
                axis=0,
            )
            for c in LARGE
        ]
    )


@pytest.mark.parametrize(('a', 'b'), [*combinations(NAMES, 2)])
def test_large_classes_differ_in_colour(scenes, a, b):
    gaps = np.abs(mean_colours(scenes[a]) - mean_colours(scenes[b]))
    assert gaps.max(axis=1).mean() > 20


def test_dust_makes_idd_warm(scenes):
    def warmth(name):
        colours = mean_colours(scenes[name])
        return (colours[:, 0] - colours[:, 2]).min()

    assert warmth('idd') > 20
    assert max(warmth(name) for name in NAMES if name != 'idd') < 10


def test_light_varies_most_in_mapillary(scenes):
    spread = {
        name: np.std([image.mean() for image, _ in scenes[name]])
        for name in NAMES
    }
    others = [spread[name] for name in NAMES if name != 'mapillary']
    assert spread['mapillary'] > 1.5 * max(others)


@pytest.mark.parametrize('label', ['autorickshaw', 'billboard'])
def test_own_labels_are_in_many_scenes_of_idd(label):
    own = LABEL_IDS[label]
    found = [
        (render_label_ids('idd', 0, index, (160, 90))[1] == own).any()
        for index in range(20)
    ]
    assert np.mean(found) >= 0.5


def test_own_labels_are_no_train_ids():
    own = np.array([LABEL_IDS['autorickshaw'], LABEL_IDS['billboard']])
    assert to_train_ids(own).tolist() == [255, 255]


def test_cityscapes_has_near_labels_for_own_ones():
    names = ('road', 'autorickshaw', 'billboard', 'bicycle')
    ids = np.array([LABEL_IDS[name] for name in names])
    # dynamic and static in the middle
    assert to_cityscapes_ids(ids).tolist() == [7, 5, 4, 33]


def test_files_of_cityscapes_may_show_idd(tmp_path):
    options = dict(size=(160, 90), domain='idd', progress=False)
    write_cityscapes(tmp_path, {'val': 4}, **options)
    paths = [*tmp_path.glob('gtFine/*/*/*.png')]
    assert max(np.array(Image.open(path)).max() for path in paths) <= 33
