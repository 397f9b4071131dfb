import hashlib
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from mmuda.utils.errors import ConfigError
from street_scenes import (
    DOMAINS,
    render_label_ids,
    render_scene,
)
from street_scenes.geometry import Box, Camera
from street_scenes.street_labels import LABEL_IDS

SIZE = (96, 54)


def digest(arrays):
    return hashlib.sha256(b''.join(a.tobytes() for a in arrays)).hexdigest()


@pytest.fixture(scope='module')
def scenes():
    """Twenty scenes of each domain, image and train ids."""
    return {
        name: [render_scene(name, 3, index, (160, 90)) for index in range(20)]
        for name in DOMAINS
    }


@pytest.mark.parametrize('name', DOMAINS)
def test_scene_has_documented_shapes_and_types(name):
    image, train_ids = render_scene(name, 0, 0, SIZE)
    assert (image.shape, train_ids.shape) == ((54, 96, 3), (54, 96))
    assert (image.dtype, train_ids.dtype) == (np.uint8, np.uint8)


@pytest.mark.parametrize('name', DOMAINS)
def test_same_arguments_give_same_bytes(name):
    first = digest(render_scene(name, 1, 5, SIZE))
    render_scene(name, 1, 6, SIZE)
    assert digest(render_scene(name, 1, 5, SIZE)) == first


@pytest.mark.parametrize(
    'other', [('gta5', 1, 6), ('gta5', 2, 5), ('synthia', 1, 5)]
)
def test_index_seed_and_domain_each_change_the_scene(other):
    assert digest(render_scene(*other, SIZE)) != digest(
        render_scene('gta5', 1, 5, SIZE)
    )


def test_scene_does_not_depend_on_hash_seed():
    code = (
        'import hashlib\n'
        'from street_scenes import render_scene\n'
        'digest = hashlib.sha256()\n'
        'for index in range(12):\n'
        "    for a in render_scene('gta5', 0, index, (96, 54)):\n"
        '        digest.update(a.tobytes())\n'
        'print(digest.hexdigest())\n'
    )
    run = subprocess.run(
        [sys.executable, '-c', code],
        env={'PYTHONHASHSEED': '1', 'PYTHONPATH': ':'.join(sys.path)},
        check=True,
        capture_output=True,
        text=True,
    )
    expected = hashlib.sha256()
    for index in range(12):
        for array in render_scene('gta5', 0, index, (96, 54)):
            expected.update(array.tobytes())
    assert run.stdout.split()[-1] == expected.hexdigest()


@pytest.mark.parametrize('name', DOMAINS)
def test_labels_are_train_ids_or_ignored(scenes, name):
    values = np.unique([train_ids for _, train_ids in scenes[name]])
    assert set(values.tolist()) <= {*range(19), 255}


@pytest.mark.parametrize('name', DOMAINS)
def test_twenty_scenes_show_most_classes(scenes, name):
    values = np.unique([train_ids for _, train_ids in scenes[name]])
    assert len(values[values < 19]) >= 16


@pytest.mark.parametrize('name', DOMAINS)
@pytest.mark.parametrize(
    'train_id', [0, 1, 2, 5, 8, 10, 13], ids=lambda number: f'class{number}'
)
def test_frequent_class_is_in_nearly_every_scene(scenes, name, train_id):
    share = np.mean([(ids == train_id).any() for _, ids in scenes[name]])
    assert share >= 0.85


@pytest.mark.parametrize('name', DOMAINS)
def test_road_lies_below_and_sky_above_the_horizon(scenes, name):
    for _, train_ids in scenes[name]:
        rows = np.arange(train_ids.shape[0])[:, None] + 0 * train_ids
        assert rows[train_ids == 10].mean() < 0.5 * len(rows)
        assert rows[train_ids == 0].mean() > 0.5 * len(rows)


def test_size_changes_resolution_not_layout():
    _, small = render_scene('gta5', 0, 1, (160, 90))
    _, large = render_scene('gta5', 0, 1, (320, 180))
    shares = [
        np.bincount(a.ravel(), minlength=256) / a.size for a in (small, large)
    ]
    assert np.abs(shares[0] - shares[1]).max() < 0.03


def test_target_is_less_saturated_and_noisier_than_source(scenes):
    spread, noise = {}, {}
    for name in ('gta5', 'cityscapes'):
        images = np.stack([image for image, _ in scenes[name]]).astype(float)
        spread[name] = np.ptp(images, axis=-1).mean()
        ids = np.stack([ids for _, ids in scenes[name]])
        sky = (ids == 10)[:, :, 1:] & (ids == 10)[:, :, :-1]
        noise[name] = np.median(np.abs(np.diff(images, axis=2))[sky])
    assert spread['gta5'] > 1.8 * spread['cityscapes']
    assert noise['cityscapes'] > 1.8 * noise['gta5']


def test_domains_differ_in_mean_colour_of_each_large_class(scenes):
    def mean(name, train_id):
        return np.mean(
            [
                image[ids == train_id].mean(axis=0)
                for image, ids in scenes[name]
                if (ids == train_id).any()
            ],
            axis=0,
        )

    for train_id in (0, 1, 2, 8, 10):
        gap = np.abs(mean('gta5', train_id) - mean('cityscapes', train_id))
        assert gap.max() > 20.0


def test_only_target_shows_own_bonnet():
    _, target = render_label_ids('cityscapes', 0, 0, SIZE)
    _, source = render_label_ids('gta5', 0, 0, SIZE)
    assert target[-2, 48] == LABEL_IDS['ego vehicle']
    assert LABEL_IDS['ego vehicle'] not in source


def test_own_domain_is_a_replaced_one():
    foggy = replace(
        DOMAINS['cityscapes'],
        look=replace(DOMAINS['cityscapes'].look, visibility=20.0),
    )
    clear, fog = (
        render_scene(domain, 0, 0, (160, 80))
        for domain in ('cityscapes', foggy)
    )
    assert (clear[1] == fog[1]).all()
    far_road = np.argwhere(clear[1] == 0)[:20]
    clear_far, fog_far = (a[0][tuple(far_road.T)].mean() for a in (clear, fog))
    assert fog_far > clear_far + 10


def test_camera_scales_things_with_distance():
    camera = Camera(320, 180, 300.0, 80.0, 1.5, 0.0, 0.0, 0.0)
    points = np.array([[1.0, 0.0, 10.0], [1.0, 0.0, 20.0], [0.0, 1.5, 5.0]])
    np.testing.assert_allclose(
        camera.project(points), [[190, 125], [175, 102.5], [160, 80]]
    )
    assert camera.row_depth()[124] == pytest.approx(300 * 1.5 / 44.5)


def test_box_faces_keep_their_size():
    faces = Box(2.0, 10.0, 1.8, 4.0, 0.3, 1.5, (0.1, 0.5, 0.7)).faces()
    front, top = faces['front'], faces['top']
    np.testing.assert_allclose(front[1] - front[0], (1.8, 0, 0))
    np.testing.assert_allclose(front[3] - front[0], (0.1, 1.2, 0.5))
    np.testing.assert_allclose(top[3] - top[0], (0, 0, 4.0 - 0.5 - 0.7))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('mars', 0, 0, SIZE), 'mars'),
        (('gta5', 0, 0, (8, 54)), '8x54'),
        (('gta5', -1, 0, SIZE), '-1'),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ConfigError, match=message):
        render_scene(*arguments)
