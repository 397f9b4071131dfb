import csv
import json
import shutil

import cv2
import numpy as np
import pytest
from toy_colors import contents, write_images
from toy_translations import translate, write_domains

from mmuda.color.lab_uint8 import in_style, style_of
from mmuda.translation.lab_jobs import draw_target
from mmuda.utils.errors import DataError


@pytest.fixture
def folders(tmp_path):
    return write_domains(tmp_path)


def images_of(folder):
    return {n: c for n, c in contents(folder).items() if n.endswith('.png')}


def read_pairs(folder):
    with open(folder / 'pairs.csv', newline='') as file:
        return {row['source']: row['target'] for row in csv.DictReader(file)}


def test_images_are_in_the_style_of_their_pair(folders):
    report = translate(folders)
    assert (report.written, report.kept) == (4, 0)
    for source, target in read_pairs(folders / 'out').items():
        style = style_of(cv2.imread(str(folders / 'target' / target)))
        image = cv2.imread(str(folders / 'source' / source))
        result = cv2.imread(str(folders / 'out' / source))
        np.testing.assert_array_equal(result, in_style(image, style))


def test_names_are_those_of_the_source(folders):
    translate(folders)
    names = {'a/00.png', 'a/01.png', 'b/00.png', 'b/01.png'}
    assert set(images_of(folders / 'out')) == names


def test_nothing_else_is_left(folders):
    translate(folders)
    others = set(contents(folders / 'out')) - set(images_of(folders / 'out'))
    assert others == {
        'images.txt',
        'pairs.csv',
        'settings.json',
        'target_statistics.json',
        'translation.json',
    }


def test_files_do_not_depend_on_workers(folders):
    translate(folders)
    translate(folders, 'two', workers=2)
    assert contents(folders / 'two') == contents(folders / 'out')


def test_formats_are_kept(folders):
    write_images(folders / 'mixed', 1, suffix='.jpg')
    write_images(folders / 'mixed', 1, suffix='.TIF')
    translate(folders, source='mixed')
    assert cv2.imread(str(folders / 'out/00.jpg')) is not None
    data = (folders / 'out/00.TIF').read_bytes()
    assert data[:2] in (b'II', b'MM')


def test_second_run_keeps_everything(folders):
    translate(folders)
    before = contents(folders / 'out')
    report = translate(folders)
    assert (report.written, report.kept) == (0, 4)
    assert contents(folders / 'out') == before


def test_resumed_run_writes_the_same(folders):
    translate(folders)
    before = contents(folders / 'out')
    (folders / 'out/a/01.png').unlink()
    (folders / 'out/b/00.png').unlink()
    report = translate(folders)
    assert (report.written, report.kept) == (2, 2)
    assert contents(folders / 'out') == before


def test_leftovers_of_a_killed_run_are_removed(folders):
    translate(folders)
    (folders / 'out/.unfinished').mkdir()
    (folders / 'out/.unfinished/.00.abcd.png').write_bytes(b'half')
    translate(folders)
    assert not (folders / 'out/.unfinished').exists()


def test_an_error_keeps_what_is_finished(folders):
    (folders / 'source/b/01.png').write_bytes(b'no image')
    with pytest.raises(DataError, match=r'b/01\.png'):
        translate(folders)
    assert set(images_of(folders / 'out')) == {
        'a/00.png',
        'a/01.png',
        'b/00.png',
    }
    assert not (folders / 'out/translation.json').exists()
    assert not (folders / 'out/.unfinished').exists()


def test_an_error_in_a_process_names_the_file(folders):
    (folders / 'source/b/01.png').write_bytes(b'no image')
    with pytest.raises(DataError, match=r'b/01\.png'):
        translate(folders, workers=2)


def test_an_unfinished_folder_does_not_look_finished(folders):
    translate(folders)
    assert (folders / 'out/translation.json').exists()
    write_images(folders / 'source', 1)
    (folders / 'source/00.png').write_bytes(b'no image')
    with pytest.raises(DataError):
        translate(folders)
    assert not (folders / 'out/translation.json').exists()


def test_images_that_join_the_source_change_no_pair(folders):
    translate(folders)
    before = read_pairs(folders / 'out')
    write_images(folders / 'source/a', 4)
    assert translate(folders).written == 2
    after = read_pairs(folders / 'out')
    assert {name: after[name] for name in before} == before


def test_summary_is_for_people(folders):
    translate(folders, seed=3)
    summary = json.loads((folders / 'out/translation.json').read_text())
    assert (summary['seed'], summary['images']) == (3, 4)
    assert summary['target'] == str(folders / 'target')
    assert summary['target_images'] == 5


def test_list_comes_back_in_its_order(folders):
    lines = 'source/b/00.png\nsource/a/01.png\nsource/b/00.png\n'
    (folders / 'list.txt').write_text(lines)
    assert translate(folders, source='list.txt').written == 2
    assert (folders / 'out/images.txt').read_text() == lines
    assert (folders / 'out/source/a/01.png').is_file()


def test_statistics_are_shared_by_sources(folders):
    shared = folders / 'styles.json'
    translate(folders, statistics=shared)
    before = shared.stat().st_mtime_ns
    translate(folders, 'b', source='source/b', statistics=shared)
    assert shared.stat().st_mtime_ns == before
    assert not (folders / 'b/target_statistics.json').exists()


def test_target_may_move(folders):
    translate(folders)
    shutil.copytree(folders / 'target', folders / 'moved')
    assert translate(folders, target='moved').kept == 4


def test_every_target_is_drawn_about_as_often():
    counts = np.bincount(
        [draw_target(0, f'{n}.png', 10) for n in range(10_000)]
    )
    assert len(counts) == 10
    # Five standard deviations of a binomial distribution.
    assert np.abs(counts - 1000).max() < 150


def test_pairs_are_pinned():
    """They must stay the same from one version to the next."""
    drawn = [draw_target(seed, 'a/b c.png', 2975) for seed in range(3)]
    assert drawn == [2802, 2505, 812]


def test_other_seed_or_name_is_another_draw():
    drawn = {draw_target(s, n, 10**9) for s in range(5) for n in 'abcde'}
    assert len(drawn) == 25


def test_one_target_is_drawn_always():
    assert {draw_target(0, str(n), 1) for n in range(100)} == {0}
