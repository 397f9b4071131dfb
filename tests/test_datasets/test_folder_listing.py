"""What counts as a file of a data set: no hidden ones, none twice."""

import logging
import os
import shutil
import socket
from ast import literal_eval

import pytest
from mmengine.logging import MMLogger
from toy_images import folder_config, keys_of, make_folder, make_image

from mmuda.datasets.sets.listing import list_files, list_keys
from mmuda.registry import DATASETS
from mmuda.translation.lab_images import find_images
from mmuda.utils.errors import ConfigError, DataError

HIDDEN = [
    '.ipynb_checkpoints/a.jpg',
    '._AppleDouble/a.jpg',
    '.trash/sub/a.jpg',
    '._a.jpg',
    '__MACOSX/a.jpg',
    '@eaDir/a.jpg',
]


class Lines(logging.Handler):
    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


@pytest.fixture
def log():
    handler = Lines()
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield handler.lines
    logger.removeHandler(handler)


def build(root, **options):
    return DATASETS.build(folder_config(root, **options))


@pytest.mark.parametrize('name', HIDDEN)
def test_hidden_images(tmp_path, name):
    make_folder(tmp_path, ['a'])
    make_image(tmp_path / 'images' / name)
    assert keys_of(build(tmp_path)) == ['a']
    assert find_images(tmp_path / 'images', 'SOURCE').names == ['a.jpg']


@pytest.mark.parametrize('name', HIDDEN)
def test_hidden_labels(tmp_path, name):
    make_folder(tmp_path, ['a'])
    label = (tmp_path / 'labels' / name).with_suffix('.png')
    make_image(label)
    assert list_keys(str(tmp_path / 'labels'), '.png') == {'a'}


def test_links_that_go_around(tmp_path, log):
    make_folder(tmp_path, ['sub/a'])
    for folder in ('images', 'labels'):
        (tmp_path / folder / 'sub/loop').symlink_to(tmp_path / folder)
        (tmp_path / folder / 'self').symlink_to('self')
    assert keys_of(build(tmp_path)) == ['sub/a']
    assert log == []


def test_images_that_a_link_repeats(tmp_path, log):
    make_folder(tmp_path, ['b/0', 'b/1'])
    # sorted before the folder it points to
    (tmp_path / 'images/a').symlink_to('b')
    assert keys_of(build(tmp_path)) == ['b/0', 'b/1']
    (line,) = log
    assert "images/a' is the folder" in line
    assert "images/b' again" in line


def test_labels_that_a_link_shares(tmp_path, log):
    make_folder(tmp_path, ['day/0', 'night/0'])
    shutil.rmtree(tmp_path / 'labels/night')
    (tmp_path / 'labels/night').symlink_to('day')
    assert keys_of(build(tmp_path)) == ['day/0', 'night/0']
    assert log == []


def test_linked_folder_elsewhere(tmp_path):
    make_folder(tmp_path / 'disk', ['0'])
    make_folder(tmp_path / 'data', ['x/1'])
    for folder in ('images', 'labels'):
        link = tmp_path / 'data' / folder / 'y'
        link.symlink_to(tmp_path / 'disk' / folder)
    assert keys_of(build(tmp_path / 'data')) == ['x/1', 'y/0']


def test_folders_linked_to_each_other(tmp_path):
    for a in range(12):
        (tmp_path / str(a)).mkdir()
        (tmp_path / str(a) / 'x.png').touch()
    for a in range(12):
        for b in range(12):
            (tmp_path / str(a) / f'to_{b}').symlink_to(tmp_path / str(b))
    assert len(list_files(str(tmp_path))) == 12
    # each folder itself and by the links of each other
    assert len(list_files(str(tmp_path), repeats=True)) == 12 + 12 * 11


@pytest.mark.parametrize('kind', ['pipe', 'socket'])
@pytest.mark.parametrize('folder', ['images', 'labels'])
def test_special_files(tmp_path, kind, folder, monkeypatch):
    make_folder(tmp_path, ['a'])
    path = tmp_path / folder / 'b.png'
    if kind == 'pipe':
        os.mkfifo(path)
    else:
        monkeypatch.chdir(path.parent)  # names of sockets are short
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    with pytest.raises(DataError, match=r"b\.png' is a pipe, a socket"):
        build(tmp_path)


def test_folder_named_like_an_image(tmp_path):
    make_folder(tmp_path, ['a'])
    (tmp_path / 'images/b.jpg').mkdir()
    assert keys_of(build(tmp_path)) == ['a']


@pytest.mark.parametrize('call', ['stat', 'scandir'])
def test_folders_that_may_not_be_read(tmp_path, monkeypatch, call):
    make_folder(tmp_path, ['sub/a'])
    plain = getattr(os, call)

    def guarded(path, *args, **options):
        if str(path).endswith('images/sub'):
            raise PermissionError(13, 'Permission denied')
        return plain(path, *args, **options)

    monkeypatch.setattr(os, call, guarded)
    with pytest.raises(DataError, match="images/sub': Permission denied"):
        list_files(str(tmp_path))


# Suffixes


def test_other_suffixes_are_told(tmp_path, log):
    make_folder(tmp_path, ['a'])
    for name in ('b.JPG', 'sub/c.JPG', 'd.webp', 'a.png', 'notes.txt'):
        path = tmp_path / 'images' / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    build(tmp_path)
    (line,) = log
    assert 'left out' in line
    assert "2 .JPG, 1 .webp; to use them set img_suffix=('.JPG'," in line


@pytest.mark.parametrize('suffix', ['_rgb.jpg', ['_rgb.jpg', '.bmp']])
def test_advice_on_suffixes_with_a_stem(tmp_path, suffix, log):
    make_folder(tmp_path, ['a_rgb', 'b_rgb'])
    image = tmp_path / 'images/b_rgb.jpg'
    image.rename(image.with_suffix('.jpeg'))
    for name in 'ab':
        (tmp_path / f'labels/{name}_rgb.png').rename(
            tmp_path / f'labels/{name}.png'
        )
    assert keys_of(build(tmp_path, img_suffix=suffix)) == ['a']
    advice = log[0].partition('img_suffix=')[2]
    assert "'_rgb.jpeg'" in advice
    dataset = build(tmp_path, img_suffix=literal_eval(advice))
    assert keys_of(dataset) == ['a', 'b']


@pytest.mark.parametrize('suffix', ['.jpg', '_leftImg8bit.png'])
def test_sound_folders_are_not_told(tmp_path, suffix, log):
    for folder in ('images', 'labels'):
        name = 'a' + (suffix if folder == 'images' else '.png')
        make_image(tmp_path / folder / name)
    make_image(tmp_path / 'images/a_color.png')
    if suffix == '.jpg':
        (tmp_path / 'images/a_color.png').rename(tmp_path / 'images/a.png')
    build(tmp_path, img_suffix=suffix)
    assert log == []


def test_several_suffixes(tmp_path):
    names = ['IMG_2.JPG', 'a.jpg', 'sub/a.jpg', 'web.webp', 'c.png']
    for name in names:
        path = tmp_path / 'images' / name
        make_image(path.with_suffix(path.suffix.lower()))
        path.with_suffix(path.suffix.lower()).rename(path)
    dataset = build(
        tmp_path, labels=False, img_suffix=['.jpg', '.JPG', '.png', '.webp']
    )
    paths = [dataset.get_data_info(i)['img_path'] for i in range(5)]
    assert sorted(paths) == sorted(f'{tmp_path}/images/{n}' for n in names)
    assert keys_of(dataset) == ['IMG_2', 'a', 'c', 'sub/a', 'web']


def test_images_that_differ_in_their_suffix(tmp_path):
    make_folder(tmp_path, ['a'])
    make_image(tmp_path / 'images/a.png')
    with pytest.raises(DataError, match=r"have the key 'a'; rename"):
        build(tmp_path, img_suffix=['.jpg', '.png'])


@pytest.mark.parametrize('suffix', [[], ['.jpg', 1]])
def test_suffixes_that_are_none(tmp_path, suffix):
    make_folder(tmp_path, ['a'])
    with pytest.raises(ConfigError, match='img_suffix'):
        build(tmp_path, img_suffix=suffix)


def test_images_left_out_of_a_translation(tmp_path, log):
    make_image(tmp_path / 'a.JPG'.lower())
    (tmp_path / 'b.webp').touch()
    assert find_images(tmp_path, 'SOURCE').names == ['a.jpg']
    assert '1 .webp' in log[0]


# Labels without an image


def orphans(root, **options):
    return build(root, **options).orphans


def test_labels_without_images(tmp_path):
    make_folder(tmp_path, ['1', '2', 'x/3'])
    (tmp_path / 'images/2.jpg').unlink()
    (tmp_path / 'images/x/3.jpg').unlink()
    assert orphans(tmp_path) == ['2', 'x/3']


def test_labels_of_a_split_are_no_orphans(tmp_path):
    make_folder(tmp_path, ['1', '2'])
    (tmp_path / 'images/2.jpg').unlink()
    (tmp_path / 'train.txt').write_text('1\n')
    assert orphans(tmp_path, ann_file='train.txt') == []
    assert orphans(tmp_path, include=['1*']) == []


def test_labels_that_a_link_repeats_are_no_orphans(tmp_path):
    make_folder(tmp_path, ['b/0', 'b/1'])
    (tmp_path / 'images/b/1.jpg').unlink()
    for folder in ('images', 'labels'):
        (tmp_path / folder / 'a').symlink_to('b')
    assert orphans(tmp_path) == ['a/1', 'b/1']


def test_other_files_of_an_image_are_no_orphans(tmp_path):
    make_folder(tmp_path, ['a', 'a-1', 'b'])
    for name in ('a_color', 'a.ids', 'b-instances'):
        make_image(tmp_path / f'labels/{name}.png')
    assert orphans(tmp_path) == []
