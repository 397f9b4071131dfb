import os

import cv2
import numpy as np
import pytest
from toy_colors import write_images

from mmuda.color.lab_styles import StyleFile, read_styles
from mmuda.color.lab_uint8 import style_of
from mmuda.translation.lab_images import find_images
from mmuda.translation.lab_jobs import measure_styles
from mmuda.utils.errors import DataError


@pytest.fixture
def folder(tmp_path):
    return write_images(tmp_path / 'target', 3)


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'styles.json'


def measure(folder, path, **kwargs):
    images = find_images(folder, 'TARGET')
    return measure_styles(images, path, progress=False, **kwargs)


def test_styles_are_those_of_the_files(folder, path):
    styles = measure(folder, path)
    assert list(styles) == ['00.png', '01.png', '02.png']
    assert styles['01.png'] == style_of(cv2.imread(str(folder / '01.png')))


def test_file_gives_the_same_styles(folder, path):
    styles = measure(folder, path)
    assert read_styles(path) == list(styles.values())


@pytest.mark.parametrize('workers', [1, 2])
def test_file_does_not_depend_on_workers(folder, path, tmp_path, workers):
    measure(folder, path)
    other = tmp_path / 'other.json'
    measure(folder, other, workers=workers)
    assert other.read_bytes() == path.read_bytes()


def test_one_image_is_one_line(folder, path):
    measure(folder, path)
    lines = path.read_text().splitlines()
    assert len([line for line in lines if 'mean' in line]) == 3


def test_known_images_are_not_read_again(folder, path):
    before = measure(folder, path)
    # Of the same size and time, as if it had not been changed.
    status = (folder / '00.png').stat()
    (folder / '00.png').write_bytes(b'\0' * status.st_size)
    os.utime(folder / '00.png', ns=(status.st_atime_ns, status.st_mtime_ns))
    assert measure(folder, path) == before


def test_nothing_new_leaves_the_file_alone(folder, path):
    measure(folder, path)
    before = path.stat().st_mtime_ns, path.stat().st_ino
    measure(folder, path)
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before


def test_changed_and_new_images_are_measured(folder, path):
    before = measure(folder, path)
    write_images(folder, 4, start=50)
    after = measure(folder, path)
    assert len(after) == 4
    assert after['00.png'] != before['00.png']
    assert read_styles(path) == list(after.values())


def test_images_that_are_gone_leave_the_file(folder, path):
    measure(folder, path)
    (folder / '01.png').unlink()
    assert len(measure(folder, path)) == len(read_styles(path)) == 2


def test_what_was_measured_before_an_error_is_kept(folder, path):
    (folder / '02.png').write_bytes(b'damaged')
    with pytest.raises(DataError, match=r'02\.png'):
        measure(folder, path)
    file = StyleFile.read(path)
    assert not file.complete
    assert set(file.styles) == {'00.png', '01.png'}
    write_images(folder, 3)
    measure(folder, path)
    assert len(read_styles(path)) == 3


def test_incomplete_file_is_refused(folder, path):
    (folder / '02.png').write_bytes(b'damaged')
    with pytest.raises(DataError):
        measure(folder, path)
    with pytest.raises(DataError, match='not complete'):
        read_styles(path)


def test_file_of_another_target_is_refused(folder, path, tmp_path):
    measure(folder, path)
    other = write_images(tmp_path / 'other', 2, suffix='.jpg')
    with pytest.raises(DataError, match='statistics of another target'):
        measure(other, path)
    assert len(measure(other, path, overwrite=True)) == 2


@pytest.mark.parametrize(
    'content',
    [
        '',
        '{}',
        '[1]',
        '{"format": "Lab styles of mmuda"}',
        '{"format": "Lab styles of mmuda", "version": 1, "complete": true, '
        '"images": {"a": {"mean": [1], "std": [1, 2, 3], "size": 1, '
        '"mtime_ns": 1}}}',
    ],
)
def test_damaged_file_is_named(path, content):
    path.write_text(content)
    with pytest.raises(DataError, match=r'styles\.json.* is damaged'):
        read_styles(path)


def test_damaged_file_may_be_overwritten(folder, path):
    path.write_text('{')
    with pytest.raises(DataError, match='damaged'):
        measure(folder, path)
    assert len(measure(folder, path, overwrite=True)) == 3


def test_missing_file_is_named(path):
    with pytest.raises(DataError, match=r'styles\.json.*translate_lab'):
        read_styles(path)


def test_file_of_another_version_is_named(folder, path):
    measure(folder, path)
    text = path.read_text().replace('"version": 1', '"version": 9')
    path.write_text(text)
    with pytest.raises(DataError, match='has version 9'):
        read_styles(path)


def test_numbers_come_back_exactly(folder, path):
    style = measure(folder, path)['00.png']
    again = read_styles(path)[0]
    np.testing.assert_array_equal(again.mean, style.mean)
    np.testing.assert_array_equal(again.std, style.std)
