from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from toy_colors import random_image, write_images

from mmuda.datasets.images.image_io import read_image
from mmuda.translation.lab_images import encode_image, find_images
from mmuda.utils.errors import DataError


def listed(folder, text, name='images.txt'):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text)
    return path


def test_folders_are_searched_recursively(tmp_path):
    write_images(tmp_path / 'b', 1)
    write_images(tmp_path / 'a/c', 2, suffix='.jpg')
    images = find_images(tmp_path, 'SOURCE')
    assert images.lines == ('a/c/00.jpg', 'a/c/01.jpg', 'b/00.png')


def test_hidden_and_other_files_are_left_out(tmp_path):
    write_images(tmp_path, 1)
    write_images(tmp_path / '.cache', 1)
    (tmp_path / '.half.png').write_bytes(b'')
    (tmp_path / 'notes.txt').write_text('none')
    assert find_images(tmp_path, 'SOURCE').lines == ('00.png',)


def test_list_keeps_order_repetitions_and_spaces(tmp_path):
    write_images(tmp_path / 'my images', 2)
    text = '# source\nmy images/01.png\n\nmy images/00.png\nmy images/01.png\n'
    images = find_images(listed(tmp_path, text), 'SOURCE')
    assert images.lines == tuple(f'my images/0{n}.png' for n in (1, 0, 1))
    assert images.names == ['my images/00.png', 'my images/01.png']
    assert images.path('my images/00.png') == tmp_path / 'my images/00.png'


def test_images_outside_of_the_lists_folder_share_their_own(tmp_path):
    write_images(tmp_path / 'data/a', 1)
    write_images(tmp_path / 'data/b', 1)
    text = f'{tmp_path}/data/a/00.png\n../data/b/00.png\n'
    images = find_images(listed(tmp_path / 'lists', text), 'SOURCE')
    assert images.root == tmp_path / 'data'
    assert images.lines == ('a/00.png', 'b/00.png')


def test_root_may_be_given(tmp_path):
    write_images(tmp_path / 'data/a', 1)
    path = listed(tmp_path / 'lists', '../data/a/00.png\n')
    assert find_images(path, 'SOURCE', tmp_path / 'data').lines == (
        'a/00.png',
    )


def test_image_outside_of_the_given_root_is_named(tmp_path):
    write_images(tmp_path / 'a', 1)
    with pytest.raises(DataError, match=r"a/00.png' lies outside of .*/b'"):
        find_images(tmp_path / 'a', 'SOURCE', tmp_path / 'b')


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('# all\n\na.png\n', r"line 3: .*a\.png' does not exist"),
        ('a.txt\n', r"line 1: .*a\.txt' is no image"),
        ('# none\n', 'is empty'),
    ],
)
def test_faults_of_lists_are_named(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        find_images(listed(tmp_path, text), 'SOURCE')


def test_folder_without_images_is_named(tmp_path):
    with pytest.raises(DataError, match='TARGET .* has no images'):
        find_images(tmp_path, 'TARGET')


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="TARGET .*/none' does not exist"):
        find_images(tmp_path / 'none', 'TARGET')


def test_image_instead_of_a_list_is_named(tmp_path):
    write_images(tmp_path, 1)
    with pytest.raises(DataError, match=r'00\.png.* is no UTF-8 text'):
        find_images(tmp_path / '00.png', 'SOURCE')


def test_name_with_a_line_break_is_refused(tmp_path):
    write_images(tmp_path, 1)
    (tmp_path / '00.png').rename(tmp_path / '0\n0.png')
    with pytest.raises(DataError, match='rename'):
        find_images(tmp_path, 'SOURCE')


def test_digest_follows_names_and_sizes(tmp_path):
    before = find_images(write_images(tmp_path / 'a', 2), 'x').digest()
    again = find_images(write_images(tmp_path / 'b', 2), 'x').digest()
    more = find_images(write_images(tmp_path / 'a', 3), 'x').digest()
    assert before == again != more


def save(path: Path, mode: str) -> np.ndarray:
    """Write an image in a mode of Pillow; return it as BGR."""
    image = Image.fromarray(random_image(0)).convert(mode)
    if mode == 'RGBA':
        image.putalpha(77)
    image.save(path)
    return np.asarray(image.convert('RGB'))[..., ::-1]


@pytest.mark.parametrize('mode', ['L', 'P', 'RGB', 'RGBA', '1'])
def test_all_kinds_of_images_are_read_in_colour(tmp_path, mode):
    path = tmp_path / 'image.png'
    expected = save(path, mode)
    np.testing.assert_array_equal(read_image(path), expected)


def test_16_bits_are_cut_to_8(tmp_path):
    path = tmp_path / 'deep.png'
    cv2.imwrite(str(path), random_image(0).astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_image(path), random_image(0))


@pytest.mark.parametrize('content', [b'', b'no image', b'\x89PNG\r\n\x1a\n'])
def test_what_is_no_image_is_named(tmp_path, content):
    path = tmp_path / 'bad.png'
    path.write_bytes(content)
    with pytest.raises(DataError, match=r'bad\.png'):
        read_image(path)


def test_truncated_jpeg_is_named(tmp_path):
    path = write_images(tmp_path, 1, suffix='.jpg', size=(64, 64)) / '00.jpg'
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match=r'00\.jpg'):
        read_image(path)


@pytest.mark.parametrize('suffix', ['.png', '.PNG', '.bmp', '.tif', '.tiff'])
def test_formats_without_loss(suffix):
    data = encode_image(random_image(0), suffix)
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(decoded, random_image(0))


@pytest.mark.parametrize('suffix', ['.jpg', '.JPEG'])
def test_jpeg_stays_jpeg(suffix):
    smooth = cv2.blur(random_image(0, size=(64, 64)), (15, 15))
    data = encode_image(smooth, suffix)
    assert data.startswith(b'\xff\xd8')
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(decoded - smooth.astype(int)).mean() < 2
