"""Labels that are not there, and those that are elsewhere."""

import shutil

import pytest
from toy_images import folder_config, make_folder

from mmuda.datasets.sets.missing_labels import (
    folder_without_labels,
    labels_elsewhere,
    missing_labels,
    unlabelled,
)
from mmuda.utils.errors import ConfigError, DataError


@pytest.mark.parametrize('empty', [False, True])
def test_labels_that_are_all_missing(tmp_path, empty):
    shutil.rmtree(make_folder(tmp_path, ['a', 'b']) / 'labels')
    if empty:
        (tmp_path / 'labels/deeper').mkdir(parents=True)
    folder = folder_without_labels(folder_config(tmp_path))
    assert folder == str(tmp_path / 'labels')


def test_one_label_of_two_is_missing(tmp_path):
    (make_folder(tmp_path, ['a', 'b']) / 'labels/a.png').unlink()
    assert folder_without_labels(folder_config(tmp_path)) is None


def test_labels_that_nobody_asks_for(tmp_path):
    make_folder(tmp_path, ['a'])
    config = folder_config(tmp_path, labels=False)
    assert folder_without_labels(config) is None


def test_labels_and_images_are_missing(tmp_path):
    tmp_path.joinpath('images').mkdir()
    with pytest.raises(DataError, match='no image'):
        folder_without_labels(folder_config(tmp_path))


def test_data_set_of_others():
    assert folder_without_labels(dict(type='mmseg.ADE20KDataset')) is None


# What was meant


def elsewhere(root, labels, images='images', **options):
    prefix = dict(img_path=images, seg_map_path=labels)
    config = dict(folder_config(root, **options), data_prefix=prefix)
    assert folder_without_labels(config) == str(root / labels)
    return labels_elsewhere(config)


def move(root, labels):
    """Put the labels of an image folder somewhere else."""
    make_folder(root, ['town/a', 'town/b'])
    (root / labels).parent.mkdir(parents=True, exist_ok=True)
    (root / 'labels').rename(root / labels)


@pytest.mark.parametrize(
    ('there', 'configured'),
    [
        ('labels', 'lables'),
        ('labels', 'annotations'),
        ('gtFine/val', 'gtFin/val'),
        ('gtFine/val', 'gtFine/vall'),
        ('masks', 'masks/val'),
        ('masks', 'mask/val'),
        ('a/b/labels', 'a/c/labels'),
    ],
)
def test_folder_that_was_meant(tmp_path, there, configured):
    move(tmp_path, there)
    label = tmp_path / there / 'town/a.png'
    assert elsewhere(tmp_path, configured) == (
        f"; there is '{label}': data_prefix.seg_map_path may be wrong"
    )


def test_folder_beside_one_that_is_empty(tmp_path):
    move(tmp_path, 'labels')
    (tmp_path / 'label').mkdir()
    assert "labels/town/a.png'" in elsewhere(tmp_path, 'label')


def test_labels_of_other_images_are_not_meant(tmp_path):
    make_folder(tmp_path, ['a'])
    (tmp_path / 'labels/a.png').rename(tmp_path / 'labels/b.png')
    assert elsewhere(tmp_path, 'label') == ''


def test_images_are_not_meant(tmp_path):
    make_folder(tmp_path, ['a'])
    shutil.rmtree(tmp_path / 'labels')
    suffixes = dict(img_suffix='.jpg', seg_map_suffix='.jpg')
    assert elsewhere(tmp_path, 'labels', **suffixes) == ''


def test_suffix_that_was_meant(tmp_path):
    make_folder(tmp_path, ['b', 'a'])
    assert elsewhere(tmp_path, 'labels', seg_map_suffix='_ids.png') == (
        "; there is 'a.png', which does not end in '_ids.png': "
        'seg_map_suffix may be wrong'
    )


def test_labels_of_another_version_of_vistas(tmp_path):
    make_folder(tmp_path / 'validation', ['a'])
    (tmp_path / 'validation/v2.0').mkdir()
    labels = tmp_path / 'validation/labels'
    labels.rename(tmp_path / 'validation/v2.0/labels')
    prefix = dict(
        img_path='validation/images', seg_map_path='validation/labels'
    )
    config = dict(type='MapillaryVistasDataset', data_root=str(tmp_path))
    with pytest.raises(ConfigError, match=r"'validation/v2\.0/labels' with"):
        folder_without_labels(dict(config, data_prefix=prefix))


# Several data sets as one


def several(root, names, **options):
    """Folders of which each has an image, and a label if its name says so."""
    for name in names:
        folder = make_folder(root / name, ['a'])
        if name.startswith('unlabelled'):
            shutil.rmtree(folder / 'labels')
    parts = [folder_config(root / name, **options) for name in names]
    return dict(type='ConcatDataset', datasets=parts)


def test_all_of_several_have_no_labels(tmp_path):
    config = several(tmp_path, ['unlabelled_1', 'unlabelled_2'])
    places = [f"'{tmp_path}/unlabelled_{n}/labels'" for n in (1, 2)]
    assert missing_labels(config) == ' and '.join(
        f'there are no labels in {place}' for place in places
    )
    assert labels_elsewhere(config) == ''


def test_one_of_several_has_labels(tmp_path):
    config = several(tmp_path, ['unlabelled', 'labelled'])
    assert missing_labels(config) is None


def test_several_without_labels_keep_their_images(tmp_path):
    config = several(tmp_path, ['unlabelled', 'labelled'], pipeline=[5])
    parts = unlabelled(config)['datasets']
    assert [part['data_prefix']['seg_map_path'] for part in parts] == [
        None
    ] * 2
    assert [part['pipeline'] for part in parts] == [[], []]
    assert config['datasets'][0]['pipeline'] == [5]
