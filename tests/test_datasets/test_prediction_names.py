"""Names of prediction files: one for each image, whatever it is called."""

import pytest
from mmengine.dataset import ConcatDataset
from mmseg.datasets import BaseSegDataset
from torch.utils.data import Dataset
from toy_images import folder_config, make_folder, make_image

from mmuda.datasets import IDDDataset, PathListDataset
from mmuda.datasets.prediction_names import file_names, prediction_names
from mmuda.registry import DATASETS
from mmuda.utils.errors import ConfigError


def names_of(dataset, root):
    """Names by the path of the image below a folder."""
    return {
        path.removeprefix(f'{root}/'): name
        for path, name in prediction_names(dataset).items()
    }


def test_names_are_the_keys(tmp_path):
    make_folder(tmp_path, ['rome/a', 'oslo/a', 'oslo/süd 1/b.c'])
    dataset = DATASETS.build(folder_config(tmp_path))
    assert names_of(dataset, tmp_path) == {
        'images/rome/a.jpg': 'rome/a',
        'images/oslo/a.jpg': 'oslo/a',
        'images/oslo/süd 1/b.c.jpg': 'oslo/süd 1/b.c',
    }


def test_frames_of_several_drives(tmp_path):
    for frame in ('119/000000', '52/000000', '52/000001'):
        make_image(tmp_path / f'val/{frame}_leftImg8bit.png')
    dataset = IDDDataset(
        data_root=str(tmp_path), data_prefix=dict(img_path='val')
    )
    assert sorted(names_of(dataset, tmp_path).values()) == [
        '119/000000',
        '52/000000',
        '52/000001',
    ]


def path_list(root, names):
    for name in names:
        make_image(root / name)
    text = '\n'.join(str(root / name) for name in names)
    (root / 'list.txt').write_text(text)
    return PathListDataset(image_list=str(root / 'list.txt'))


def test_paths_of_a_list(tmp_path):
    dataset = path_list(tmp_path, ['x/1/a.png', 'x/2/a.png'])
    assert sorted(names_of(dataset, tmp_path).values()) == ['1/a', '2/a']


def jointly(*datasets):
    return ConcatDataset([*datasets])


def suffixed(root, suffix):
    config = folder_config(root, labels=False, img_suffix=suffix)
    return DATASETS.build(config)


def test_images_that_differ_in_their_extension(tmp_path):
    for name in ('a.jpg', 'a.png', 'b.png'):
        make_image(tmp_path / 'images' / name)
    both = jointly(suffixed(tmp_path, '.jpg'), suffixed(tmp_path, '.png'))
    assert names_of(both, tmp_path / 'images') == {
        'a.jpg': 'a.jpg',
        'a.png': 'a.png',
        'b.png': 'b',
    }


def test_extensions_that_are_names_of_others(tmp_path):
    for name in ('a.jpg', 'a.png', 'a.jpg.png', 'a.png.jpg'):
        make_image(tmp_path / 'images' / name)
    both = jointly(suffixed(tmp_path, '.jpg'), suffixed(tmp_path, '.png'))
    assert len(set(names_of(both, tmp_path).values())) == 4


def test_equal_keys_of_several_data_sets(tmp_path):
    for city in ('rome', 'oslo'):
        make_folder(tmp_path / city, ['a'])
    both = jointly(
        *(suffixed(tmp_path / city, '.jpg') for city in ('rome', 'oslo'))
    )
    assert names_of(both, tmp_path) == {
        'rome/images/a.jpg': '0/a.jpg',
        'oslo/images/a.jpg': '1/a.jpg',
    }


def test_an_image_of_two_data_sets_has_one_name(tmp_path):
    make_folder(tmp_path, ['a', 'b'])
    both = jointly(suffixed(tmp_path, '.jpg'), suffixed(tmp_path, '.jpg'))
    assert sorted(names_of(both, tmp_path).values()) == ['a', 'b']


def test_a_folder_called_as_a_file(tmp_path):
    for name in ('a.jpg', 'a.png/b.jpg'):
        make_image(tmp_path / 'images' / name)
    names = set(names_of(suffixed(tmp_path, '.jpg'), tmp_path).values())
    assert names == {'a.jpg', 'a.png/b'}


@pytest.mark.parametrize('prefix', [dict(img_path='images'), None])
def test_data_sets_of_mmseg(tmp_path, prefix):
    make_folder(tmp_path, ['rome/a', 'oslo/a'])
    dataset = BaseSegDataset(
        data_root=str(tmp_path),
        data_prefix=prefix or dict(img_path=''),
        metainfo=dict(classes=('x',)),
        img_suffix='.jpg',
        pipeline=[],
    )
    above = '' if prefix else 'images/'
    assert sorted(names_of(dataset, tmp_path).values()) == [
        f'{above}oslo/a',
        f'{above}rome/a',
    ]


def test_data_sets_that_name_no_images():
    with pytest.raises(ConfigError, match='Dataset have no names for files'):
        prediction_names(Dataset())


def test_files_of_a_folder():
    files = ['a.png', 'b/a.png', 'b/a.jpg', 'c.png/d.jpg', 'c.webp']
    assert file_names(files) == {
        'a.png': 'a',
        'b/a.png': 'b/a.png',
        'b/a.jpg': 'b/a.jpg',
        'c.png/d.jpg': 'c.png/d',
        'c.webp': 'c.webp',
    }
