import json
import sys
from collections import Counter

import numpy as np
import pytest
import warm_processes
from PIL import Image
from toy_images import keys_of

from mmuda.datasets import MapillaryVistasDataset
from mmuda.datasets.labels.label_maps import label_table
from mmuda.utils.errors import ConfigError, DataError
from street_scenes import (
    render_label_ids,
    write_idd,
    write_mapillary,
)
from street_scenes.layouts import MapillaryLayout
from street_scenes.street_labels import LABEL_IDS, LABELS, to_train_ids
from street_scenes.vistas import vistas_config, vistas_ids

SMALL = {'size': (80, 60), 'progress': False}
LOAD = [dict(type='LoadImage'), dict(type='LoadLabels')]
# Where Vistas differs from the seven classes of Cityscapes.
OTHER_SEVEN = {'terrain': 0, 'rail track': 0, 'autorickshaw': 6}
VAL = 10_000_000  # number of the first scene of the second split
COUNTS = {'train': 3, 'val': 6}
LABELS_OF = {'v1.2': 'labels', 'v2.0': 'v2.0/labels'}
TABLES = {'v1.2': 'mapillary_vistas', 'v2.0': 'mapillary_vistas_v2'}


def vistas(root, version='v1.2', split='validation', **options):
    folders = f'{split}/images', f'{split}/{LABELS_OF[version]}'
    return MapillaryVistasDataset(
        data_root=str(root),
        data_prefix=dict(img_path=folders[0], seg_map_path=folders[1]),
        pipeline=LOAD,
        **dict(label_table=TABLES[version]) | options,
    )


def rendered():
    """Image and label ids of each key of the written validation split."""
    layout, scenes = MapillaryLayout(), {}
    for number in range(COUNTS['val']):
        key = min(layout.files('val', number)).split('/')[-1][:-4]
        size = layout.scene_size(number, SMALL['size'])
        scenes[key] = render_label_ids('mapillary', 0, VAL + number, size)
    return scenes


def seven(label_ids):
    table = np.full(256, 255)
    for label_id, train_id in label_table('cityscapes', 'seven_class').items():
        table[label_id] = train_id
    for name, train_id in OTHER_SEVEN.items():
        table[LABEL_IDS[name]] = train_id
    return table[label_ids]


def contents(root):
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob('*'))
        if path.is_file()
    }


@pytest.fixture(scope='module', params=['v1.2', 'v2.0'])
def written(request, tmp_path_factory):
    """Root and version of a data set with labels of both splits."""
    root = tmp_path_factory.mktemp('street') / 'Mapillary'
    write_mapillary(root, COUNTS, True, request.param, **SMALL)
    return root, request.param


@pytest.mark.parametrize(
    ('label_set', 'expected'),
    [('cityscapes19', to_train_ids), ('seven_class', seven)],
)
def test_label_maps_are_those_rendered(written, label_set, expected):
    dataset = vistas(*written, label_set=label_set)
    scenes = rendered()
    assert keys_of(dataset) == sorted(scenes)
    for sample, key in zip(dataset, sorted(scenes), strict=True):
        label_ids = scenes[key][1]
        np.testing.assert_array_equal(
            sample['gt_seg_map'], expected(label_ids)
        )


def test_images_are_those_rendered(written):
    scenes = rendered()
    for sample, key in zip(vistas(*written), sorted(scenes), strict=True):
        difference = sample['img'][..., ::-1] - scenes[key][0].astype(float)
        # JPEG; other scenes are off by 30 and more.
        assert np.abs(difference).mean() < 8


def test_images_differ_in_size_and_shape(written):
    root, _ = written
    paths = root.glob('validation/images/*.jpg')
    assert Counter(Image.open(path).size for path in paths) == {
        (80, 60): 2,
        (80, 45): 2,
        (100, 75): 1,
        (60, 80): 1,
    }


def test_upright_image_has_ground_to_its_lower_edge():
    for index in range(12):
        _, label_ids = render_label_ids('mapillary', 0, index, (60, 140))
        assert not (label_ids[-20:] == LABEL_IDS['sky']).any()


def test_labels_have_the_colours_of_vistas(written):
    root, version = written
    path = next(root.glob(f'training/{LABELS_OF[version]}/*.png'))
    picture = Image.open(path)
    config = json.loads(vistas_config(version))['labels']
    palette = np.array(picture.getpalette()).reshape(-1, 3)
    assert picture.mode == 'P'
    used = np.unique(np.array(picture))
    assert len(used) > 5
    for i in used:
        assert palette[i].tolist() == config[i]['color']


def test_config_file_lies_in_the_root(written):
    root, version = written
    name = {'v1.2': 'config.json', 'v2.0': 'config_v2.0.json'}[version]
    assert (root / name).read_bytes() == vistas_config(version)


@pytest.mark.parametrize(
    ('version', 'count', 'counted', 'label_id', 'label'),
    [
        (
            'v1.2',
            66,
            37,
            58,
            {
                'name': 'object--vehicle--on-rails',
                'readable': 'On Rails',
                'instances': False,
                'evaluate': True,
                'color': [0, 80, 100],
            },
        ),
        (
            'v2.0',
            124,
            72,
            115,
            {
                'name': 'object--vehicle--vehicle-group',
                'readable': 'Vehicle Group',
                'instances': False,
                'evaluate': False,
                'color': [0, 0, 142],
            },
        ),
    ],
)
def test_config_lists_the_labels(version, count, counted, label_id, label):
    labels = json.loads(vistas_config(version))['labels']
    assert len(labels) == count
    assert sum(entry['instances'] for entry in labels) == counted
    assert labels[label_id] == label
    assert labels[-1]['name'] == 'void--unlabeled'
    assert not labels[-1]['evaluate']


@pytest.mark.parametrize('version', ['v1.2', 'v2.0'])
def test_every_trained_label_keeps_its_class(version):
    table = label_table(TABLES[version], 'cityscapes19')
    ids = vistas_ids(version)
    for label in LABELS:
        assert table[ids[label.label_id]] == label.train_id


def test_labels_of_the_other_version_are_told_apart(tmp_path):
    write_mapillary(tmp_path, {'val': 3}, version='v2.0', **SMALL)
    with pytest.raises(DataError, match='label of v2.0'):
        vistas(tmp_path, 'v2.0', label_table='mapillary_vistas')[0]


def test_train_labels_are_an_option(tmp_path):
    write_mapillary(tmp_path, {'train': 2}, **SMALL)
    assert len(list(tmp_path.glob('training/images/*.jpg'))) == 2
    assert not (tmp_path / 'training/labels').exists()


def test_unknown_version_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"'v3'.*v1\.2, v2\.0"):
        write_mapillary(tmp_path, {'val': 1}, version='v3', **SMALL)


def test_too_small_shape_leaves_no_trace(tmp_path):
    with pytest.raises(ConfigError, match='20x14'):
        write_mapillary(tmp_path / 'M', {'val': 2}, size=(20, 18))
    assert not (tmp_path / 'M').exists()


def test_files_do_not_depend_on_workers(written, tmp_path):
    root, version = written
    write_mapillary(tmp_path, COUNTS, True, version, workers=2, **SMALL)
    assert contents(tmp_path) == contents(root)


def test_restart_writes_what_is_missing(written, tmp_path):
    root, version = written
    write_mapillary(tmp_path, COUNTS, True, version, **SMALL)
    for path in [*tmp_path.glob('training/images/*'), *tmp_path.glob('con*')]:
        path.unlink()
    report = write_mapillary(tmp_path, COUNTS, True, version, **SMALL)
    assert (report.written, report.reused) == (3, 6)
    assert contents(tmp_path) == contents(root)


def test_overwriting_by_another_set_leaves_nothing_of_the_first(tmp_path):
    write_mapillary(tmp_path / 'a', {'val': 2}, **SMALL)
    write_idd(tmp_path / 'a', {'val': 1}, overwrite=True, **SMALL)
    write_idd(tmp_path / 'b', {'val': 1}, **SMALL)
    assert contents(tmp_path / 'a') == contents(tmp_path / 'b')


def test_tool_writes_new_layouts(tmp_path):
    tool = 'tools/dataset_converters/make_street_scenes.py'
    options = '--layouts idd mapillary --size 64x48 --workers 1 '
    options += '--train-images 1 --val-images 2 --with-train-labels '
    options += '--vistas-version v2.0'
    run = warm_processes.run(
        [sys.executable, tool, tmp_path, *options.split()],
        env={'PYTHONPATH': ':'.join(sys.path)},
        check=True,
    )
    assert 'IDD: 3 written' in run.stdout
    assert 'Mapillary: 3 written' in run.stdout
    assert len(list(tmp_path.glob('IDD/gtFine/*/*/*.json'))) == 3
    assert len(list(tmp_path.glob('Mapillary/*/v2.0/labels/*.png'))) == 3
