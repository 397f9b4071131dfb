"""Files of predictions are those of one network, input and image."""

import os

import pytest
from PIL import Image

from mmuda.apis.prediction_files import PredictionFiles, claim_folder
from mmuda.utils.errors import ConfigError, DataError


@pytest.fixture
def images(tmp_path):
    """A folder with two images that differ in their ending alone."""
    folder = tmp_path / 'images'
    folder.mkdir()
    for name in ('a.png', 'a.jpg'):
        Image.new('RGB', (2, 2)).save(folder / name)
    return folder


def claim(files, network, given, names, overwrite=False):
    written = {
        path: os.path.relpath(image, given)
        for image, name in names.items()
        for path in files.paths(name).values()
    }
    claim_folder(files.folder, dict(n=network), {given: written}, overwrite)


def write_files(files, name):
    for path in files.paths(name).values():
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new('L', (2, 2)).save(path)


def test_replacing_that_is_stopped_leaves_no_other_network(images, tmp_path):
    out, a, b = tmp_path / 'out', images / 'a.png', images / 'a.jpg'
    names = {str(a): 'a.png', str(b): 'a.jpg'}
    own = PredictionFiles(out, ('overlay',))
    given = str(images)
    claim(own, 1, given, names)
    for name in names.values():
        write_files(own, name)
    claim(own, 2, given, names, overwrite=True)
    # Here it is stopped.
    assert not any(own.are_whole(name, path) for path, name in names.items())
    claim(own, 2, given, names)
    with pytest.raises(ConfigError, match='made otherwise'):
        claim(own, 1, given, names)
    # What is not asked for now would be of the other network, too.
    write_files(own, 'a.png')
    claim(PredictionFiles(out), 1, given, names, overwrite=True)
    assert [p.name for p in out.rglob('*') if p.is_file()] == [
        'predictions.json'
    ]


@pytest.mark.parametrize('age', [1, 10**18 * 4])
def test_files_are_of_the_input_that_wrote_them(tmp_path, age):
    own = PredictionFiles(tmp_path / 'out')
    first, second = tmp_path / 'A', tmp_path / 'B'
    claim(own, 1, str(first), {str(first / 'x.png'): 'x'})
    write_files(own, 'x')
    names = {str(second / 'y.png'): 'y'}
    claim(own, 1, str(second), names)
    write_files(own, 'y')
    os.utime(own.folder / 'labels/x.png', ns=(age, age))
    names[str(second / 'x.png')] = 'x'
    with pytest.raises(ConfigError, match=r"labels/x.png' is there and of no"):
        claim(own, 1, str(second), names)
    claim(own, 1, str(first), {str(first / 'x.png'): 'x'})
    # An overlay of mine is no overlay of it.
    drawn = PredictionFiles(own.folder, ('overlay',))
    (own.folder / 'overlay').mkdir()
    (own.folder / 'overlay/y.png').write_bytes(b'mine')
    with pytest.raises(ConfigError, match=r"overlay/y.png' is there and of"):
        claim(drawn, 1, str(second), {str(second / 'y.png'): 'y'})
    # What is not there yet belongs to who writes it.
    (own.folder / 'labels/x.png').unlink()
    claim(own, 1, str(second), names)
    write_files(own, 'x')
    with pytest.raises(ConfigError, match=r"labels/x.png' is there and of no"):
        claim(own, 1, str(first), {str(first / 'x.png'): 'x'})


def test_a_record_names_no_file_of_somebody_else(images, tmp_path):
    own = PredictionFiles(tmp_path / 'out')
    names = {str(images / 'a.png'): 'a'}
    claim(own, 1, str(images), names)
    record = own.folder / 'predictions.json'
    mine = tmp_path / 'mine.png'
    mine.touch()
    good = record.read_text()
    for name in ('../mine.png', str(mine), 'labels/../../mine.png', 'labels'):
        record.write_text(good.replace('labels/a.png', name))
        with pytest.raises(DataError, match='no file of a prediction'):
            claim(own, 1, str(images), names)
        claim(own, 2, str(images), names, overwrite=True)
        assert mine.exists()
    assert record.read_text() == good.replace('"n": 1', '"n": 2')
