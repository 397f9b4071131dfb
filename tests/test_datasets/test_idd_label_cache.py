import logging
import multiprocessing
import pickle

import numpy as np
import pytest
from mmengine.logging import MMLogger
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from toy_images import cut_in_half
from toy_polygons import polygon_file

from mmuda.datasets.sets.idd import PolygonLabelReader
from mmuda.utils.errors import DataError

LEFT = [(0, 0), (2, 0), (2, 3), (0, 3)]
ALL = [(0, 0), (5, 0), (5, 3), (0, 3)]
SKY_AND_ROAD = polygon_file(('sky', ALL, {}), ('road', LEFT, {}))
IDS = [[0, 0, 0, 33, 33, 33]] * 4
KEPT = 'cache/7/a_gtFine_labelids.png'


def make_file(tmp_path, data=SKY_AND_ROAD, key='7/a'):
    path = tmp_path / f'gtFine/{key}_gtFine_polygons.json'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return str(path)


def reader_of(tmp_path, cache='cache'):
    cache = None if cache is None else str(tmp_path / cache)
    return PolygonLabelReader(str(tmp_path / 'gtFine'), cache)


def kept_ids(tmp_path):
    return np.array(Image.open(tmp_path / KEPT)).tolist()


@pytest.mark.parametrize('cache', ['cache', None])
def test_reading(tmp_path, cache):
    ids = reader_of(tmp_path, cache)(make_file(tmp_path))
    assert ids.tolist() == IDS
    assert ids.dtype == np.uint8


def test_a_drawing_is_kept_under_the_official_name(tmp_path):
    reader_of(tmp_path)(make_file(tmp_path))
    assert kept_ids(tmp_path) == IDS
    names = [x.name for x in (tmp_path / 'cache/7').iterdir()]
    assert names == ['a_gtFine_labelids.png']


def test_without_a_cache_nothing_is_written(tmp_path):
    path = make_file(tmp_path)
    before = sorted(tmp_path.rglob('*'))
    reader_of(tmp_path, None)(path)
    assert sorted(tmp_path.rglob('*')) == before


def test_a_kept_drawing_is_read(tmp_path):
    path = make_file(tmp_path)
    reader_of(tmp_path)(path)
    # Other ids under the mark of the same polygon file.
    kept, text = Image.open(tmp_path / KEPT), PngInfo()
    for key, value in kept.info.items():
        text.add_text(key, value)
    Image.new('L', kept.size, 7).save(tmp_path / KEPT, pnginfo=text)
    assert reader_of(tmp_path)(path).tolist() == [[7] * 6] * 4


def test_a_changed_file_is_drawn_anew(tmp_path):
    reader = reader_of(tmp_path)
    reader(make_file(tmp_path))
    path = make_file(tmp_path, polygon_file(('sky', ALL, {})))
    assert reader(path).tolist() == [[33] * 6] * 4
    assert kept_ids(tmp_path) == [[33] * 6] * 4


def test_a_damaged_drawing_is_replaced(tmp_path):
    reader, path = reader_of(tmp_path), make_file(tmp_path)
    reader(path)
    cut_in_half(tmp_path / KEPT)
    assert reader(path).tolist() == IDS
    assert kept_ids(tmp_path) == IDS


def test_someone_elses_drawing_is_replaced(tmp_path):
    (tmp_path / KEPT).parent.mkdir(parents=True)
    Image.new('L', (6, 4), 7).save(tmp_path / KEPT)
    assert reader_of(tmp_path)(make_file(tmp_path)).tolist() == IDS
    assert kept_ids(tmp_path) == IDS


def test_a_damaged_file_leaves_no_drawing(tmp_path):
    path = make_file(tmp_path, b'{')
    with pytest.raises(DataError, match=r'a_gtFine_polygons\.json'):
        reader_of(tmp_path)(path)
    assert not (tmp_path / 'cache').exists()


def test_a_missing_file(tmp_path):
    with pytest.raises(DataError, match=r'b_gtFine.*No such file'):
        reader_of(tmp_path)(str(tmp_path / 'gtFine/b_gtFine_polygons.json'))


def test_processes_share_a_cache(tmp_path):
    paths = [make_file(tmp_path, key=f'7/{i}') for i in range(5)]
    context = multiprocessing.get_context('fork')
    with context.Pool(4) as pool:
        found = pool.map(reader_of(tmp_path), paths * 8, chunksize=1)
    assert [ids.tolist() for ids in found] == [IDS] * 40
    # No temporary file is left.
    names = sorted(x.name for x in (tmp_path / 'cache/7').iterdir())
    assert names == [f'{i}_gtFine_labelids.png' for i in range(5)]


def test_a_reader_can_be_sent_to_a_process(tmp_path):
    path = make_file(tmp_path)
    reader = pickle.loads(pickle.dumps(reader_of(tmp_path)))
    assert reader(path).tolist() == IDS


# What is logged


@pytest.fixture
def log(caplog):
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    caplog.set_level(logging.WARNING)
    yield caplog
    logger.removeHandler(caplog.handler)


BAD = polygon_file(('car', [], {}), ('sky', ALL, {}), ('car', [], {}))


@pytest.mark.parametrize('cache', ['cache', None])
def test_polygons_left_out_are_counted(tmp_path, cache):
    reader = reader_of(tmp_path, cache)
    paths = [make_file(tmp_path, BAD, f'7/{i}') for i in range(2)]
    for path in [*paths, make_file(tmp_path), *paths]:
        reader(path)
    assert reader.left_out == dict.fromkeys(paths, 2)


def test_polygons_left_out_of_a_kept_drawing_are_counted(tmp_path):
    path = make_file(tmp_path, BAD)
    reader_of(tmp_path)(path)
    before = (tmp_path / KEPT).stat().st_mtime_ns
    reader = reader_of(tmp_path)
    reader(path)
    assert reader.left_out == {path: 2}
    assert (tmp_path / KEPT).stat().st_mtime_ns == before


def test_a_mended_file_counts_no_more(tmp_path):
    reader = reader_of(tmp_path)
    for data in (BAD, SKY_AND_ROAD):
        reader(make_file(tmp_path, data))
    assert reader.left_out == {}


def test_a_drawing_without_a_count_is_replaced(tmp_path):
    path = make_file(tmp_path, BAD)
    reader_of(tmp_path)(path)
    kept, text = Image.open(tmp_path / KEPT), PngInfo()
    text.add_text('mmuda_polygons', kept.info['mmuda_polygons'])
    kept.save(tmp_path / KEPT, pnginfo=text)
    reader = reader_of(tmp_path)
    reader(path)
    assert reader.left_out == {path: 2}
    assert Image.open(tmp_path / KEPT).info['mmuda_left_out'] == '2'


def test_polygons_left_out_are_logged_at_powers_of_ten(tmp_path, log):
    reader = reader_of(tmp_path)
    paths = [make_file(tmp_path, BAD, f'7/{i}') for i in range(12)]
    for path in [paths[0], *paths]:
        reader(path)
    first, tenth = log.messages
    assert f'{paths[0]}: left out 2 polygon(s)' in first
    assert f"; 2 in 1 file(s) of '{tmp_path / 'gtFine'}'" in first
    assert f'{paths[9]}: left out 2 polygon(s)' in tenth
    assert '; 20 in 10 file(s)' in tenth


def test_sound_polygons_are_not_logged(tmp_path, log):
    reader_of(tmp_path)(make_file(tmp_path))
    assert log.messages == []


def test_a_cache_that_cannot_be_written_is_logged_once(tmp_path, log):
    (tmp_path / 'cache').write_text('no folder')
    reader, path = reader_of(tmp_path), make_file(tmp_path)
    for _ in range(2):
        assert reader(path).tolist() == IDS
    (message,) = log.messages
    assert f"label_cache '{tmp_path / 'cache'}'" in message
    assert 'another folder, or to None' in message
