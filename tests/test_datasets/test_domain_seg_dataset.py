import pytest
from mmengine.logging import MMLogger
from toy_images import folder_config, keys_of, make_folder, make_image

from mmuda.datasets import FolderDataset
from mmuda.registry import DATASETS
from mmuda.utils.errors import ConfigError, DataError


def test_keys_are_sorted_relative_paths(tmp_path):
    # The base name of two files is the same, as in IDD.
    make_folder(tmp_path, ['b/0001', 'a/0001', 'a/0000'])
    dataset = DATASETS.build(folder_config(tmp_path))
    assert keys_of(dataset) == ['a/0000', 'a/0001', 'b/0001']


def test_indices_beyond_the_images(tmp_path):
    make_folder(tmp_path, ['a/0001', 'a/0002'])
    dataset = DATASETS.build(folder_config(tmp_path) | dict(indices=[1]))
    assert keys_of(dataset) == ['a/0002']
    with pytest.raises(ConfigError, match=r'indices=\[5\] name .* the 2 that'):
        DATASETS.build(folder_config(tmp_path) | dict(indices=[5]))


def test_sample_names_its_files(tmp_path):
    make_folder(tmp_path, ['a/0001'])
    info = DATASETS.build(folder_config(tmp_path)).get_data_info(0)
    assert info['img_path'] == f'{tmp_path}/images/a/0001.jpg'
    assert info['seg_map_path'] == f'{tmp_path}/labels/a/0001.png'


def test_table_is_not_stored_with_each_sample(tmp_path):
    make_folder(tmp_path, ['0'])
    dataset = DATASETS.build(folder_config(tmp_path, serialize_data=False))
    assert set(dataset.data_list[0]) == {'key', 'img_path', 'seg_map_path'}
    assert dataset.get_data_info(0)['label_lut'] is dataset.label_lut


def test_seg_fields_are_not_shared_between_calls(tmp_path):
    make_folder(tmp_path, ['0'])
    dataset = DATASETS.build(folder_config(tmp_path))
    dataset.get_data_info(0)['seg_fields'].append('x')
    assert dataset.get_data_info(0)['seg_fields'] == []


def test_labels_need_not_exist(tmp_path):
    make_image(tmp_path / 'images/0.jpg')
    dataset = DATASETS.build(folder_config(tmp_path, labels=False))
    assert not dataset.has_labels
    assert 'seg_map_path' not in dataset.get_data_info(0)


def test_none_switches_labels_off(tmp_path):
    make_image(tmp_path / 'images/0.jpg')
    prefix = {'img_path': 'images', 'seg_map_path': None}
    config = folder_config(tmp_path, data_prefix=prefix)
    assert not DATASETS.build(config).has_labels


@pytest.mark.parametrize('lines', ['b\na\n', 'b.jpg\r\na.jpg\r\n', 'b.png\na'])
def test_split_list(tmp_path, lines):
    make_folder(tmp_path, ['a', 'b', 'c'])
    (tmp_path / 'train.txt').write_text(lines)
    dataset = DATASETS.build(folder_config(tmp_path, ann_file='train.txt'))
    assert keys_of(dataset) == ['a', 'b']


def test_exclude(tmp_path):
    make_folder(tmp_path, ['a', 'b', 'c'])
    dataset = DATASETS.build(folder_config(tmp_path, exclude=['b']))
    assert keys_of(dataset) == ['a', 'c']


def test_exclude_takes_patterns(tmp_path):
    make_folder(tmp_path, ['a/1', 'b/1', 'b/2', 'c[1]/1'])
    left_out = ['b/*', 'c[1]/1']
    dataset = DATASETS.build(folder_config(tmp_path, exclude=left_out))
    assert keys_of(dataset) == ['a/1']


@pytest.mark.parametrize(
    ('option', 'patterns'),
    [('exclude', ['b', 'x', 'c/*']), ('include', ['a', 'x', 'c/*'])],
)
def test_patterns_that_fit_no_image_are_told(
    tmp_path, caplog, option, patterns
):
    make_folder(tmp_path, ['a', 'b'])
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    DATASETS.build(folder_config(tmp_path, **{option: patterns}))
    logger.removeHandler(caplog.handler)
    warnings = [r.message for r in caplog.records if r.levelname == 'WARNING']
    assert warnings == [
        f"{option}: no image has a key like 'x', 'c/*'; keys look like 'a'"
    ]


def test_translated_images_are_one_line_of_config(tmp_path):
    make_folder(tmp_path, ['a', 'b'])
    for key in 'ab':
        make_image(tmp_path / 'translated' / f'{key}.png')
    config = folder_config(tmp_path, img_suffix='.png')
    config['data_prefix']['img_path'] = 'translated'
    info = DATASETS.build(config).get_data_info(1)
    assert info['img_path'].endswith('translated/b.png')
    assert info['seg_map_path'].endswith('labels/b.png')


def test_missing_root(tmp_path):
    config = folder_config(tmp_path / 'nowhere')
    with pytest.raises(DataError, match=r"data_root '.*nowhere' is not a fol"):
        DATASETS.build(config)


def test_missing_image_folder(tmp_path):
    with pytest.raises(DataError, match=r"/images'.*data_prefix\.img_path"):
        DATASETS.build(folder_config(tmp_path))


def test_missing_label_folder(tmp_path):
    make_image(tmp_path / 'images/0.jpg')
    with pytest.raises(DataError, match=r"/labels'.*prefix\.seg_map_path"):
        DATASETS.build(folder_config(tmp_path))


def test_no_image(tmp_path):
    make_image(tmp_path / 'images/0.png')
    with pytest.raises(DataError, match=r"'\*\.jpg' below '.*/images'"):
        DATASETS.build(folder_config(tmp_path, labels=False))


def test_missing_split_list(tmp_path):
    make_folder(tmp_path, ['a'])
    with pytest.raises(DataError, match=r"train\.txt' does not exist"):
        DATASETS.build(folder_config(tmp_path, ann_file='train.txt'))


def test_empty_split_list(tmp_path):
    make_folder(tmp_path, ['a'])
    (tmp_path / 'train.txt').write_text('\n')
    with pytest.raises(DataError, match=r"train\.txt' is empty"):
        DATASETS.build(folder_config(tmp_path, ann_file='train.txt'))


def test_listed_image_is_missing(tmp_path):
    make_folder(tmp_path, ['a'])
    (tmp_path / 'train.txt').write_text('a\nb\nc\n')
    with pytest.raises(
        DataError,
        match=r"train\.txt: 2 images of 3 .*\(lines 2, 3\).*'b'.*/images'",
    ):
        DATASETS.build(folder_config(tmp_path, ann_file='train.txt'))


def test_image_without_label(tmp_path):
    make_folder(tmp_path, ['a'])
    make_image(tmp_path / 'images/b.jpg')
    with pytest.raises(DataError, match=r"1 file.*/labels/b\.png'"):
        DATASETS.build(folder_config(tmp_path))


def test_data_prefix_without_images(tmp_path):
    with pytest.raises(ConfigError, match='data_prefix needs img_path'):
        FolderDataset(data_prefix={'seg_map_path': 'labels'})


def test_own_classes(tmp_path):
    make_folder(tmp_path, ['a'])
    config = folder_config(
        tmp_path,
        label_set=None,
        metainfo={'classes': ['road', 'car'], 'palette': [[1, 2, 3], [4] * 3]},
        label_table={7: 0, 26: 1, 'others': 255},
    )
    dataset = DATASETS.build(config)
    assert dataset.metainfo['classes'] == ('road', 'car')
    assert dataset.metainfo['palette'] == [[1, 2, 3], [4, 4, 4]]
    assert dataset.label_lut[[7, 26, 100]].tolist() == [0, 1, 255]


def test_classes_are_missing(tmp_path):
    config = folder_config(tmp_path, label_set=None)
    with pytest.raises(ConfigError, match='label_set=None needs metainfo'):
        DATASETS.build(config)


def test_a_class_that_is_there_twice(tmp_path):
    classes = {'classes': ['road', 'car', 'road']}
    config = folder_config(tmp_path, label_set=None, metainfo=classes)
    with pytest.raises(ConfigError, match='a name is there twice'):
        DATASETS.build(config)


def test_classes_contradict_the_label_set(tmp_path):
    config = folder_config(tmp_path, metainfo={'classes': ['road']})
    with pytest.raises(ConfigError, match=r'differ.*carla_camvid10'):
        DATASETS.build(config)


def test_named_table_needs_a_label_set(tmp_path):
    config = folder_config(
        tmp_path,
        label_set=None,
        metainfo={'classes': ['road']},
        label_table='gta5',
    )
    with pytest.raises(ConfigError, match="'gta5' needs a label_set"):
        DATASETS.build(config)
