import numpy as np
import pytest
from toy_images import cut_in_half, make_image

from mmuda.datasets import LoadImage
from mmuda.datasets.images.image_io import require_complete
from mmuda.utils.errors import ConfigError, DataError


def test_image_is_bgr(tmp_path):
    image = make_image(tmp_path / 'a.png')
    results = LoadImage()({'img_path': str(tmp_path / 'a.png')})
    assert np.array_equal(results['img'], image)
    assert results['img_shape'] == results['ori_shape'] == (8, 12)


@pytest.mark.parametrize('suffix', ['png', 'jpg'])
def test_truncated_image(tmp_path, suffix):
    path = tmp_path / f'a.{suffix}'
    make_image(path, size=(64, 64))
    cut_in_half(path)
    with pytest.raises(DataError, match=rf'cannot read .*a\.{suffix}'):
        LoadImage()({'img_path': str(path)})


def test_corrupt_image(tmp_path):
    path = tmp_path / 'a.png'
    make_image(path, size=(64, 64))
    data = bytearray(path.read_bytes())
    data[60:900] = bytes(840)
    path.write_bytes(bytes(data))
    with pytest.raises(DataError, match=r'a\.png.*damaged'):
        LoadImage()({'img_path': str(path)})


def test_image_that_is_no_image(tmp_path):
    path = tmp_path / 'a.png'
    path.write_text('<html>')
    with pytest.raises(DataError, match=r'a\.png.*no image'):
        LoadImage()({'img_path': str(path)})


def test_missing_image(tmp_path):
    with pytest.raises(DataError, match=r'b\.png.*No such file'):
        LoadImage()({'img_path': str(tmp_path / 'b.png')})


def test_image_with_a_trailer(tmp_path):
    path = tmp_path / 'a.jpg'
    make_image(path)
    whole = LoadImage()({'img_path': str(path)})['img']
    path.write_bytes(path.read_bytes() + bytes(10000))
    assert np.array_equal(LoadImage()({'img_path': str(path)})['img'], whole)


@pytest.mark.parametrize('kept', [900, 2000])
def test_cut_behind_a_thumbnail(tmp_path, kept):
    """Whose end mark is not that of the image."""
    path = tmp_path / 'a.jpg'
    make_image(path, size=(8, 8))
    segment = b'Exif' + bytes(2) + path.read_bytes()
    segment = (len(segment) + 2).to_bytes(2, 'big') + segment
    make_image(path, size=(64, 64))
    data = path.read_bytes()
    data = data[:2] + b'\xff\xe1' + segment + data[2:]
    require_complete(data, 'a.jpg')
    with pytest.raises(DataError, match=r'a\.jpg.*damaged'):
        require_complete(data[: len(segment) + kept], 'a.jpg')


def test_empty_image(tmp_path):
    (tmp_path / 'a.jpg').touch()
    with pytest.raises(DataError, match=r'a\.jpg.*damaged'):
        LoadImage()({'img_path': str(tmp_path / 'a.jpg')})


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(color_type='colour'), "color_type='colour': must be one of"),
        (dict(imdecode_backend='gdal'), "backend='gdal': must be one of"),
    ],
)
def test_readers_that_there_are_not(options, message):
    with pytest.raises(ConfigError, match=message):
        LoadImage(**options)


def test_reader_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(
        'mmuda.datasets.transforms.image_loading.find_spec', lambda name: None
    )
    with pytest.raises(ConfigError, match='needs the package turbojpeg'):
        LoadImage(imdecode_backend='turbojpeg')
