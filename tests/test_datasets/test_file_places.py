"""Names of files below folders, of which a part may be any."""

import pytest

from mmuda.datasets import FolderDataset
from mmuda.datasets.sets.file_places import FilePlaces
from mmuda.utils.errors import DataError


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return str(root)


@pytest.mark.parametrize(
    ('folder', 'prefix', 'names'),
    [
        ('a', '', ['1/rgb_x.png', '1/y.png', '2/rgb_x.png', 'rgb_z.png']),
        ('a', 'rgb_', ['1/x.png', '2/x.png', 'z.png']),
        ('a/*', '', ['1/rgb_x.png', '1/y.png', '2/rgb_x.png']),
        ('*/1', 'rgb_', ['a/x.png', 'b/x.png']),
        ('*/*', 'rgb_', ['a/1/x.png', 'a/2/x.png', 'b/1/x.png']),
        ('c/*', '', []),
        ('c', '', []),
    ],
)
def test_names_and_back(tmp_path, folder, prefix, names):
    touch(tmp_path, 'a/1/rgb_x.png', 'a/1/y.png', 'a/2/rgb_x.png')
    touch(tmp_path, 'a/rgb_z.png', 'b/1/rgb_x.png', '.hidden/1/rgb_x.png')
    places = FilePlaces(f'{tmp_path}/{folder}', prefix)
    found = places.list()
    assert sorted(found) == names
    paths = {places.path(name) for name in found}
    assert len(paths) == len(names)
    assert paths <= {str(path) for path in tmp_path.rglob('*.png')}


def test_signs_in_the_path_of_the_root(tmp_path):
    """Those that patterns of files know are none here."""
    root = touch(tmp_path / 'set [1]?', 'fog/train/x.png', 'fog/val/y.png')
    places = FilePlaces(f'{root}/*/train')
    assert places.list() == ['fog/x.png']
    assert places.path('fog/x.png') == f'{root}/fog/train/x.png'


def test_keys(tmp_path):
    touch(tmp_path, 'ss_1.png', 'ss_2.png', 'ss_2_color.png', '3.png')
    places = FilePlaces(str(tmp_path), 'ss_')
    assert places.keys('_color.png') == {'2'}
    assert places.keys('.png') == {'1', '2', '2_color'}


def test_a_prefix_in_a_message(tmp_path):
    root = touch(tmp_path, 'images/x_1.jpg')
    with pytest.raises(DataError, match=r"no image 'rgb_\*.jpg' below"):
        FolderDataset(
            dict(img_path='images'), data_root=root, img_prefix='rgb_'
        )
