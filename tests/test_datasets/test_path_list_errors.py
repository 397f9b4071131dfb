"""Faults of lists are told before training, with file and line."""

import re

import pytest
from toy_images import make_image

from mmuda.datasets import PathListDataset
from mmuda.utils.errors import DataError


@pytest.fixture
def root(tmp_path):
    for name in 'abc':
        make_image(tmp_path / f'{name}.png')
    return tmp_path


def build(root, images, labels=None, **options):
    for name, text in (('images.txt', images), ('gt.txt', labels)):
        if text is not None:
            (root / name).write_text(text)
    return PathListDataset(
        str(root / 'images.txt'),
        None if labels is None else str(root / 'gt.txt'),
        **options,
    )


@pytest.mark.parametrize(
    ('images', 'labels', 'message'),
    [
        ('a.png\n\nb.png\n', '# gt\na.png\n', 'line 3 of .*images.txt'),
        ('a.png\n', 'a.png\nb.png\n', 'line 2 of .*gt.txt'),
    ],
)
def test_lengths_differ(root, images, labels, message):
    with pytest.raises(DataError, match=message):
        build(root, images, labels)


def test_lengths_are_named(root):
    with pytest.raises(DataError, match=r'lists 1 image, .*gt.txt 2 labels'):
        build(root, 'a.png\n', 'a.png\nb.png\n')


def test_missing_images(root):
    with pytest.raises(
        DataError,
        match=r"images.txt: 2 files of 3 missing \(lines 2, 4\).*/no.png'",
    ):
        build(root, 'a.png\nno.png\n#\nb.jpg\n')


def test_missing_label(root):
    with pytest.raises(
        DataError, match=r'gt.txt: 1 file of 2 missing \(line 2\)'
    ):
        build(root, 'a.png\nb.png\n', 'a.png\nlost/b.png\n')


def test_many_missing_files_are_not_all_named(root):
    lines = ''.join(f'{number}.png\n' for number in range(50))
    with pytest.raises(DataError, match=r'\(lines 1, 2, 3, 4, 5, …\)'):
        build(root, lines)


def test_a_folder_is_no_image(root):
    (root / 'd.png').mkdir()
    with pytest.raises(DataError, match='1 file of 2 missing'):
        build(root, 'a.png\nd.png')


def test_missing_list(root):
    with pytest.raises(DataError, match=r"list '.*images.txt' does not exist"):
        PathListDataset(str(root / 'images.txt'))


def test_missing_list_below_a_data_root(root):
    expected = re.escape(str(root / 'images.txt'))
    with pytest.raises(DataError, match=expected):
        PathListDataset('images.txt', data_root=str(root))


@pytest.mark.parametrize('text', ['', '\n \n', '# nothing\n'])
def test_empty_list(root, text):
    with pytest.raises(DataError, match=r'images.txt. is empty'):
        build(root, text)


def test_list_that_is_no_text(root):
    (root / 'images.txt').write_bytes(b'a.png\n\xff\xfe')
    with pytest.raises(DataError, match=r'no UTF-8 text .* at byte 6'):
        PathListDataset(str(root / 'images.txt'))


def test_image_listed_twice(root):
    with pytest.raises(
        DataError, match=r'1 path listed more than once.*\(lines 1, 4\)'
    ):
        build(root, 'a.png\nb.png\n\n./a.png\n')


def test_names_that_differ_in_their_extension(root):
    make_image(root / 'a.jpg')
    with pytest.raises(DataError, match=r"lines 1 and 3 .* the key 'a'"):
        build(root, 'a.png\nb.png\na.jpg\n')


def test_unknown_key(root):
    (root / 'keys.txt').write_text('b\nx/b\n')
    with pytest.raises(
        DataError,
        match=r"keys.txt: 1 image of 2 .*\(line 2\), .*'x/b'.*such as 'a'",
    ):
        build(root, 'a.png\nb.png\n', ann_file=str(root / 'keys.txt'))


def test_nothing_is_left(root):
    with pytest.raises(DataError, match='leave no image of .*images.txt'):
        build(root, 'a.png\nb.png\n', include=['z*'])
