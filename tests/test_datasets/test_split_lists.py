"""Text lists from any editor, read by the one reader of all lists."""

import codecs
from fnmatch import fnmatchcase

import pytest
from toy_images import folder_config, keys_of, make_folder, make_image

from mmuda.datasets import PathListDataset
from mmuda.datasets.sets import split_lists
from mmuda.datasets.sets.path_lines import read_lines
from mmuda.registry import DATASETS
from mmuda.translation.lab_images import find_images
from mmuda.utils.errors import DataError

TEXT = 'a/0.jpg\na/1.jpg\n'
ENCODINGS = {
    'plain': TEXT.encode(),
    'no end of line': TEXT.strip().encode(),
    'utf-8 mark': codecs.BOM_UTF8 + TEXT.encode(),
    'mark in the middle': b'a/0.jpg\n' + codecs.BOM_UTF8 + b'a/1.jpg\n',
    'utf-16 little': codecs.BOM_UTF16_LE + TEXT.encode('utf-16-le'),
    'utf-16 big': codecs.BOM_UTF16_BE + TEXT.encode('utf-16-be'),
    'utf-32': codecs.BOM_UTF32_LE + TEXT.encode('utf-32-le'),
    'windows': TEXT.replace('\n', '\r\n').encode(),
    'old mac': TEXT.replace('\n', '\r').encode(),
    'blank': b'\n  a/0.jpg \n\n\ta/1.jpg\t\n \n',
    'comments': b'# my list\na/0.jpg\n#a/9.jpg\na/1.jpg\n',
    'backslashes': rb'a\0.jpg' + b'\n' + rb'.\a\1.jpg' + b'\n',
}
FAULTS = {
    'zeros': ('a/0.jpg\n'.encode('utf-16-le'), 'zero bytes'),
    'latin': ('a/0.jpg\ncaf\u00e9.jpg\n'.encode('latin-1'), 'byte 11, line 2'),
    'half of utf-16': (b'\xff\xfea\x00b', 'no UTF-16 text'),
}


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    folder = make_folder(tmp_path_factory.mktemp('data'), ['a/0', 'a/1'])
    for name in '01':
        make_image(folder / f'a/{name}.jpg')
    return folder


def split(root, data):
    """Keys of a data set whose split list has some content."""
    (root / 'list.txt').write_bytes(data)
    config = folder_config(root, ann_file='list.txt')
    return keys_of(DATASETS.build(config))


@pytest.mark.parametrize('name', ENCODINGS)
def test_split_list(root, name):
    assert split(root, ENCODINGS[name]) == ['a/0', 'a/1']


@pytest.mark.parametrize('name', ENCODINGS)
def test_list_of_paths(root, name):
    (root / 'paths.txt').write_bytes(ENCODINGS[name])
    dataset = PathListDataset(str(root / 'paths.txt'), label_set='synthia16')
    assert keys_of(dataset) == ['0', '1']


@pytest.mark.parametrize('name', ENCODINGS)
def test_list_of_translated_images(root, name):
    (root / 'paths.txt').write_bytes(ENCODINGS[name])
    found = find_images(root / 'paths.txt', 'SOURCE')
    assert found.names == ['a/0.jpg', 'a/1.jpg']


@pytest.mark.parametrize('name', FAULTS)
def test_list_that_is_no_text(root, name):
    data, message = FAULTS[name]
    with pytest.raises(DataError, match=rf'list.txt.*{message}'):
        split(root, data)


@pytest.mark.parametrize(
    'text', ['images/a/0.jpg\n', '/images/a/0\n', './images/a/0.png\n']
)
def test_paths_with_the_image_folder(root, text):
    assert split(root, text.encode()) == ['a/0']


def test_absolute_paths(root):
    assert split(root, f'{root}/images/a/1.jpg'.encode()) == ['a/1']


def test_key_that_begins_like_a_comment(tmp_path):
    root = make_folder(tmp_path, ['#1', '2'])
    assert split(root, b'#1\n# 2\n') == ['#1']


def test_path_that_begins_like_a_comment(tmp_path):
    for name in ('#1/0.jpg', '2/0.jpg'):
        make_image(tmp_path / name)
    (tmp_path / 'paths.txt').write_text('#1/0.jpg\n#2/0.jpg\n2/0.jpg\n')
    dataset = PathListDataset(str(tmp_path / 'paths.txt'))
    assert keys_of(dataset) == ['#1/0', '2/0']


def test_pairs_in_a_split_list(root):
    with pytest.raises(DataError, match=r'lines 2, 3\).*several files'):
        split(root, b'\na/0.jpg a/0.png\na/1.jpg,a/1.png\n')


def test_pairs_in_a_list_of_paths(root):
    (root / 'paths.txt').write_text('a/0.jpg labels/a/0.png\n')
    with pytest.raises(DataError, match=r'line 1\).*several files'):
        PathListDataset(str(root / 'paths.txt'))


def test_missing_images_by_line(root):
    with pytest.raises(
        DataError, match=r"list.txt: 2 images of 3 .*\(lines 1, 4\).*'b/7'"
    ):
        split(root, b'b/7\na/0\n# no\nb/8\n')


@pytest.mark.parametrize('again', ['a/0', 'a/0.jpg', 'images/a/0.jpg'])
def test_image_listed_twice(root, again):
    with pytest.raises(
        DataError, match=r"1 image listed more.*'a/0' \(lines 1, 3\)"
    ):
        split(root, f'a/0\na/1\n{again}\n'.encode())


def test_only_comments(root):
    with pytest.raises(DataError, match=r'list.txt. is empty'):
        split(root, b'# nothing\n\n')


def test_numbers_count_all_lines(tmp_path):
    (tmp_path / 'x.txt').write_bytes(b'\xef\xbb\xbf\r\n\r\na\r\n\rb')
    assert read_lines(str(tmp_path / 'x.txt')) == [(3, 'a'), (5, 'b')]


def test_a_long_list_of_keys_is_not_compared_with_each_image(monkeypatch):
    compared = []

    def fits(key, pattern):
        compared.append(pattern)
        return fnmatchcase(key, pattern)

    monkeypatch.setattr(split_lists, 'fnmatchcase', fits)
    keys = [f'train/{number:03}' for number in range(100)]
    exclude = [*keys[:50], 'val/1', 'train/09?', 'a[1']
    found = split_lists.chosen_keys(keys, keys, ['*'], exclude)
    assert found == keys[50:90]
    assert {*compared} == {'*', 'train/09?', 'a[1'}
