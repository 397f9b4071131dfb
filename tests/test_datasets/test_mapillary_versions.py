"""Vistas v2.0, the convention of ADAS, and the names of the folders."""

import numpy as np
import pytest
from toy_images import keys_of, make_image, make_label

from mmuda.datasets import MapillaryVistasDataset
from mmuda.utils.errors import ConfigError, DataError

LOAD = [dict(type='LoadImage'), dict(type='LoadLabels')]
V2 = ('validation/images', 'validation/v2.0/labels')
# Road, arrow on it, car, parking meter.
V2_IDS = [[21, 39], [108, 75]]


def make_vistas(root, ids=V2_IDS, keys='abcd', folders=V2):
    for seed, key in enumerate(keys):
        ids = np.array(ids, np.uint8)
        make_image(root / folders[0] / f'{key}.jpg', seed, ids.shape)
        make_label(root / folders[1] / f'{key}.png', ids, palette=True)
    return root


def vistas(root, folders=V2, **options):
    options = {'label_table': 'mapillary_vistas_v2', **options}
    return MapillaryVistasDataset(
        data_root=str(root),
        data_prefix=dict(img_path=folders[0], seg_map_path=folders[1]),
        pipeline=LOAD,
        label_set='seven_class',
        **options,
    )


@pytest.mark.parametrize(
    ('table', 'arrow'),
    [('mapillary_vistas_v2', 0), ('mapillary_vistas_v2_adas', 255)],
)
def test_labels_of_v2(tmp_path, table, arrow):
    dataset = vistas(make_vistas(tmp_path), label_table=table)
    assert dataset[0]['gt_seg_map'].tolist() == [[0, arrow], [6, 255]]


@pytest.mark.parametrize('suffix', ['', '_adas'])
def test_labels_of_v1_with_the_table_of_v2(tmp_path, suffix):
    make_vistas(tmp_path, ids=[[13, 65]])
    with pytest.raises(
        DataError, match=rf"a\.png.*v1\.2: .*'mapillary_vistas{suffix}'.*v2\.0"
    ):
        vistas(tmp_path, label_table=f'mapillary_vistas_v2{suffix}')


@pytest.mark.parametrize('suffix', ['', '_adas'])
def test_labels_of_v2_with_the_table_of_v1(tmp_path, suffix):
    make_vistas(tmp_path)
    with pytest.raises(
        DataError, match=rf"a\.png.* 108, .*'mapillary_vistas_v2{suffix}'"
    ):
        vistas(tmp_path, label_table=f'mapillary_vistas{suffix}')


def test_one_of_the_first_labels_tells_the_version(tmp_path):
    make_vistas(tmp_path)
    make_vistas(tmp_path, ids=[[61, 61]], keys='ab')
    dataset = vistas(tmp_path)
    assert dataset[0]['gt_seg_map'].tolist() == [[4, 4]]


def test_a_fault_of_v2_keeps_its_message(tmp_path):
    make_vistas(tmp_path)
    make_vistas(tmp_path, ids=[[124, 21]], keys='d')
    with pytest.raises(DataError, match=r'd\.png.*\[124\].*0-123'):
        vistas(tmp_path)[3]


def test_a_faulty_image_of_v2_keeps_its_message(tmp_path):
    make_vistas(tmp_path)
    make_vistas(tmp_path, ids=[[61, 61]], keys='d')
    (tmp_path / V2[0] / 'd.jpg').write_bytes(b'')
    with pytest.raises(DataError, match=r'd\.jpg.*damaged'):
        vistas(tmp_path)[3]


@pytest.mark.parametrize(
    ('there', 'configured'),
    [
        ('train', 'training'),
        ('training', 'train'),
        ('val', 'validation'),
        ('validation', 'val'),
        ('train', 'train'),
    ],
)
def test_either_name_of_a_split(tmp_path, there, configured):
    make_vistas(tmp_path, folders=(f'{there}/images', f'{there}/v2.0/labels'))
    folders = (f'{configured}/images', f'{configured}/v2.0/labels')
    assert keys_of(vistas(tmp_path, folders)) == [*'abcd']


def test_the_configured_name_comes_first(tmp_path):
    make_vistas(tmp_path, folders=('train/images', 'train/v2.0/labels'))
    folders = ('training/images', 'training/v2.0/labels')
    make_vistas(tmp_path, keys='x', folders=folders)
    assert keys_of(vistas(tmp_path, folders)) == ['x']


def test_a_split_that_is_not_there_is_named_as_configured(tmp_path):
    with pytest.raises(DataError, match=r'training/images.*does not exist'):
        vistas(tmp_path, ('training/images', None))


# Labels of a download of v2.0, asked for as of one of v1.2


@pytest.mark.parametrize(
    ('version', 'table'),
    [('v1.2', 'mapillary_vistas'), ('v2.0', 'mapillary_vistas_v2')],
)
@pytest.mark.parametrize('split', ['validation', 'val'])
def test_labels_in_a_folder_of_their_version(tmp_path, version, table, split):
    there = f'{split}/{version}/labels'
    make_vistas(tmp_path, folders=(f'{split}/images', there))
    with pytest.raises(ConfigError) as error:
        vistas(tmp_path, ('validation/images', 'validation/labels'))
    assert str(error.value) == (
        f"folder '{tmp_path}/validation/labels' does not exist, but the "
        'labels of a download of Mapillary Vistas v2.0 do: set '
        f"data_prefix.seg_map_path to '{there}' with label_table='{table}'"
    )


def test_labels_of_both_versions_are_named(tmp_path):
    make_vistas(tmp_path)
    (tmp_path / 'validation/v1.2/labels').mkdir(parents=True)
    with pytest.raises(
        ConfigError, match=r"1\.2/labels' .*'mapillary_vistas', or to .*v2'$"
    ):
        vistas(tmp_path, (V2[0], 'validation/labels'))


def test_labels_of_no_version(tmp_path):
    make_vistas(tmp_path, folders=(V2[0], 'validation/masks'))
    with pytest.raises(DataError, match='validation/labels. does not exist'):
        vistas(tmp_path, (V2[0], 'validation/labels'))


def test_a_folder_of_ones_own_comes_first(tmp_path):
    make_vistas(tmp_path)
    make_vistas(tmp_path, folders=(V2[0], 'validation/mine'))
    assert keys_of(vistas(tmp_path, (V2[0], 'validation/mine'))) == [*'abcd']


def test_images_alone_need_no_version(tmp_path):
    assert keys_of(vistas(make_vistas(tmp_path), (V2[0], None))) == [*'abcd']
