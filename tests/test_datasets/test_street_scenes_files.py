import json
import sys

import cv2
import numpy as np
import pytest
import warm_processes
from PIL import Image

from mmuda.utils import jobs
from mmuda.utils.errors import ConfigError, DataError
from street_scenes import (
    render_label_ids,
    write_cityscapes,
    write_gta5,
    write_scenes,
    write_synthia,
)
from street_scenes.layouts import GTA5Layout
from street_scenes.street_labels import LABEL_IDS, LABELS

SIZE = (96, 54)
SMALL = {'size': SIZE, 'progress': False}


def contents(root):
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob('*'))
        if path.is_file()
    }


def times(root):
    return {path: path.stat().st_mtime_ns for path in root.rglob('*')}


def test_gta5_files_hold_label_ids_with_palette(tmp_path):
    write_gta5(tmp_path / 'GTA5', 2, **SMALL)
    picture = Image.open(tmp_path / 'GTA5/labels/00002.png')
    image, label_ids = render_label_ids('gta5', 0, 1, SIZE)
    assert picture.mode == 'P'
    np.testing.assert_array_equal(np.array(picture), label_ids)
    palette = np.array(picture.getpalette()).reshape(-1, 3)
    for label in LABELS:
        assert tuple(palette[label.label_id]) == label.colour
    np.testing.assert_array_equal(
        np.array(Image.open(tmp_path / 'GTA5/images/00002.png')), image
    )


def test_label_files_hold_no_255(tmp_path):
    write_gta5(tmp_path / 'a', 3, **SMALL)
    write_cityscapes(tmp_path / 'b', {'val': 3}, **SMALL)
    paths = [*tmp_path.glob('a/labels/*'), *tmp_path.glob('b/gtFine/*/*/*')]
    assert len(paths) == 6
    assert max(np.array(Image.open(path)).max() for path in paths) <= 33


def test_synthia_file_holds_class_in_red_as_16_bit(tmp_path):
    write_synthia(tmp_path / 'S', 1, **SMALL)
    path = tmp_path / 'S/GT/LABELS/0000000.png'
    stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    _, label_ids = render_label_ids('synthia', 0, 0, SIZE)
    assert (stored.dtype, stored.shape) == (np.uint16, (54, 96, 3))
    for name, synthia_id in (
        ('road', 3),
        ('sky', 1),
        ('building', 2),
        ('sidewalk', 4),
        ('vegetation', 6),
        ('pole', 7),
    ):
        mask = label_ids == LABEL_IDS[name]
        assert mask.any()
        assert (stored[..., 2][mask] == synthia_id).all()


def test_synthia_file_holds_instances_in_green(tmp_path):
    write_synthia(tmp_path / 'S', 1, **SMALL)
    path = tmp_path / 'S/GT/LABELS/0000000.png'
    stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    things = np.isin(stored[..., 2], (8, 10, 11, 12, 17, 18, 19, 20))
    np.testing.assert_array_equal(stored[..., 1] > 0, things)
    assert stored[..., 0].max() == 0


def test_cityscapes_files_have_official_names(tmp_path):
    write_cityscapes(tmp_path / 'C', {'train': 5, 'val': 4}, **SMALL)
    names = set(contents(tmp_path / 'C'))
    train = 'leftImg8bit/train/aachen/aachen_000001_000019_leftImg8bit.png'
    val = 'gtFine/val/frankfurt/frankfurt_000001_000019_gtFine_labelIds.png'
    assert {train, val} <= names
    assert len([n for n in names if n.startswith('leftImg8bit/train')]) == 5
    assert not [n for n in names if n.startswith('gtFine/train')]


def test_cityscapes_train_labels_are_an_option(tmp_path):
    write_cityscapes(
        tmp_path / 'C', {'train': 2}, with_train_labels=True, **SMALL
    )
    assert len(list((tmp_path / 'C').glob('gtFine/train/*/*.png'))) == 2


def test_cityscapes_splits_show_different_scenes(tmp_path):
    write_cityscapes(tmp_path / 'C', {'train': 2, 'val': 2}, **SMALL)
    images = (tmp_path / 'C').glob('leftImg8bit/*/*/*.png')
    assert len({path.read_bytes() for path in images}) == 4


@pytest.mark.parametrize('start_method', ['fork', 'spawn'])
def test_files_do_not_depend_on_workers(tmp_path, monkeypatch, start_method):
    monkeypatch.setattr(jobs, 'START_METHOD', start_method)
    write_gta5(tmp_path / 'one', 5, **SMALL)
    write_gta5(tmp_path / 'two', 5, workers=2, **SMALL)
    assert contents(tmp_path / 'one') == contents(tmp_path / 'two')


def test_second_run_touches_nothing(tmp_path):
    write_gta5(tmp_path / 'G', 2, **SMALL)
    before = times(tmp_path / 'G')
    report = write_gta5(tmp_path / 'G', 2, **SMALL)
    assert (report.written, report.reused) == (0, 2)
    assert 'nothing to do' in str(report)
    assert times(tmp_path / 'G') == before


def test_resumed_run_writes_same_bytes(tmp_path):
    write_gta5(tmp_path / 'G', 3, **SMALL)
    before = contents(tmp_path / 'G')
    (tmp_path / 'G/labels/00002.png').unlink()
    report = write_gta5(tmp_path / 'G', 3, **SMALL)
    assert (report.written, report.reused) == (1, 2)
    assert contents(tmp_path / 'G') == before


def test_stopped_run_is_marked_and_resumed(tmp_path):
    class Stopping(GTA5Layout):
        def files(self, split, number):
            def encode(image, label_ids):
                if number == 1:
                    raise KeyboardInterrupt
                return b'half'

            files = super().files(split, number)
            return dict.fromkeys(files, encode)

    with pytest.raises(KeyboardInterrupt):
        write_scenes(tmp_path / 'G', Stopping(), {'all': 3}, **SMALL)
    settings = json.loads((tmp_path / 'G/street_scenes.json').read_text())
    assert settings['complete'] is False
    report = write_gta5(tmp_path / 'G', 3, **SMALL)
    assert (report.written, report.reused) == (2, 1)
    settings = json.loads((tmp_path / 'G/street_scenes.json').read_text())
    assert settings['complete'] is True


@pytest.mark.parametrize(
    ('changed', 'word'),
    [
        ({'seed': 1}, 'seed'),
        ({'size': (64, 36)}, 'size'),
        ({'domain': 'cityscapes'}, 'domain'),
    ],
)
def test_other_settings_are_refused_and_nothing_changed(
    tmp_path, changed, word
):
    write_gta5(tmp_path / 'G', 1, **SMALL)
    before = contents(tmp_path / 'G')
    with pytest.raises(DataError, match=word):
        write_gta5(tmp_path / 'G', 1, **{**SMALL, **changed})
    assert contents(tmp_path / 'G') == before


def test_overwrite_removes_what_the_old_settings_made(tmp_path):
    write_gta5(tmp_path / 'G', 3, **SMALL)
    (tmp_path / 'G/images/mine.png').write_bytes(b'mine')
    write_gta5(tmp_path / 'G', 1, seed=1, overwrite=True, **SMALL)
    write_gta5(tmp_path / 'new', 1, seed=1, **SMALL)
    expected = contents(tmp_path / 'new')
    assert contents(tmp_path / 'G') == {
        'images/mine.png': b'mine',
        **expected,
    }


def test_foreign_data_is_never_overwritten(tmp_path):
    (tmp_path / 'images').mkdir()
    (tmp_path / 'images/00001.png').write_bytes(b'real')
    with pytest.raises(DataError, match='choose another folder'):
        write_gta5(tmp_path, 1, overwrite=True, **SMALL)
    assert contents(tmp_path) == {'images/00001.png': b'real'}


def test_damaged_settings_are_named(tmp_path):
    write_gta5(tmp_path / 'G', 1, **SMALL)
    (tmp_path / 'G/street_scenes.json').write_text('{')
    with pytest.raises(DataError, match="street_scenes.json' is damaged"):
        write_gta5(tmp_path / 'G', 1, **SMALL)


@pytest.mark.parametrize('wrong', [{'seed': -1}, {'size': (8, 8)}])
def test_bad_settings_leave_no_trace(tmp_path, wrong):
    with pytest.raises(ConfigError):
        write_gta5(tmp_path / 'G', 1, **{**SMALL, **wrong})
    assert not (tmp_path / 'G').exists()


def test_unknown_split_is_named(tmp_path):
    with pytest.raises(ConfigError, match='night'):
        write_cityscapes(tmp_path / 'C', {'night': 1}, **SMALL)


def test_tool_writes_all_layouts_and_reports(tmp_path):
    tool = 'tools/dataset_converters/make_street_scenes.py'
    run = warm_processes.run(
        [sys.executable, tool, tmp_path, '--size', '64x36', '--workers', '1']
        + ['--source-images', '1', '--train-images', '1', '--val-images', '1'],
        env={'PYTHONPATH': ':'.join(sys.path)},
        check=True,
    )
    assert 'Cityscapes: 2 written, 0 reused' in run.stdout
    sizes = {Image.open(path).size for path in tmp_path.rglob('*.png')}
    assert sizes == {(64, 36)}
    assert len(list(tmp_path.rglob('*.png'))) == 7
