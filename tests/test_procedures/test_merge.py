"""Labels of two models made one, by rule and in folders."""

import numpy as np
import pytest
from labelled_images import BINS, manifest, read, statistics, write_labels

from mmuda.procedures.selection import LabelledImages, merge_folders
from mmuda.procedures.selection.merge import Labels, merge_labels
from mmuda.pseudo_labels.image_statistics import ImageStatistics
from mmuda.utils.errors import ConfigError, DataError

# agree, first only, second only, disagree, neither
FIRST = [[0, 1, 255, 1, 255]]
SECOND = [[0, 255, 2, 2, 255]]
FIRST_SCORES = [[3000, 3100, 0, 3300, 0]]
SECOND_SCORES = [[2000, 0, 2200, 2300, 0]]


def pair():
    return (
        Labels(np.uint8(FIRST), np.uint16(FIRST_SCORES)),
        Labels(np.uint8(SECOND), np.uint16(SECOND_SCORES)),
    )


@pytest.fixture
def folders(tmp_path):
    """Labels of both models; the image b/1 is empty for the second."""
    other = dict(label=[[1, 255]], score=[[4000, 0]])
    empty = dict(label=[[255, 255]], score=[[0, 0]])
    first = write_labels(
        tmp_path / 'first',
        {'a/0': FIRST, 'b/1': other['label']},
        {'a/0': FIRST_SCORES, 'b/1': other['score']},
        checkpoints=(dict(file='a.pth'),),
    )
    second = write_labels(
        tmp_path / 'second',
        {'a/0': SECOND, 'b/1': empty['label']},
        {'a/0': SECOND_SCORES, 'b/1': empty['score']},
        checkpoints=(dict(file='b.pth'),),
    )
    return first, second


@pytest.fixture
def roots(tmp_path):
    return tmp_path / 'merged/a', tmp_path / 'merged/b'


def test_void_pixels_are_filled_and_own_labels_stay():
    first, second = merge_labels(*pair())
    assert first.label.tolist() == [[0, 1, 2, 1, 255]]
    assert second.label.tolist() == [[0, 1, 2, 2, 255]]


def test_confidences_are_those_of_the_model_that_labels():
    first, second = merge_labels(*pair())
    assert first.score.tolist() == [[3000, 3100, 2200, 3300, 0]]
    assert second.score.tolist() == [[2000, 3100, 2200, 2300, 0]]


def test_disagreement_may_be_void():
    first, second = merge_labels(*pair(), 'void')
    assert first.label.tolist() == second.label.tolist()
    assert first.label.tolist() == [[0, 1, 2, 255, 255]]
    assert first.score.tolist() == [[3000, 3100, 2200, 0, 0]]


def test_merging_leaves_its_inputs_alone():
    given = pair()
    merge_labels(*given, 'void')
    assert given[0].label.tolist() == FIRST
    assert given[1].score.tolist() == SECOND_SCORES


def test_merged_labels_are_written(folders, roots):
    merge_folders(*folders, roots)
    assert read(roots[0], 'a/0').tolist() == [[0, 1, 2, 1, 255]]
    assert read(roots[1], 'a/0').tolist() == [[0, 1, 2, 2, 255]]
    assert read(roots[1], 'b/1').tolist() == [[1, 255]]


def test_statistics_are_those_of_the_merged_labels(folders, roots):
    first, second = merge_folders(*folders, roots)
    assert first.statistics.kept.tolist() == [[1, 2, 1], [0, 1, 0]]
    assert second.statistics.kept.tolist() == [[1, 1, 2], [0, 1, 0]]
    sums = [[2000, 3100, 2200 + 2300], [0, 4000, 0]]
    assert second.statistics.score_sums.tolist() == sums
    score = (2000 + 3100 + 2200 + 2300) / 4 / BINS
    assert second.statistics.score[0] == pytest.approx(score, abs=1e-12)


def test_predicted_pixels_are_the_models_own_and_those_taken(folders, roots):
    own = folders[0].statistics
    own.predicted[0] = [5, 7, 9]
    first, _ = merge_folders(*folders, roots)
    assert first.statistics.predicted[0].tolist() == [5, 7, 9 + 1]


def test_what_is_returned_is_what_is_read(folders, roots):
    for merged, root in zip(
        merge_folders(*folders, roots), roots, strict=True
    ):
        assert LabelledImages.read(root) == merged


def test_manifest_of_merged_labels(folders, roots):
    _, second = merge_folders(*folders, roots, disagreement='void')
    about = second.manifest
    assert [c['file'] for c in about.checkpoints] == ['b.pth', 'a.pth']
    assert about.options == dict(
        bins=BINS, soft_top_k=None, image_statistics=True, merged='void'
    )
    assert about.kept == dict(a=1, b=2, c=1)
    assert about.thresholds == dict(a=0.5, b=0.6, c=0.7)


def test_some_images_only_are_merged(folders, roots):
    first, _ = merge_folders(*folders, roots, keys=['b/1'])
    assert first.statistics.keys == ('b/1',)
    assert not (roots[0] / 'a/0.png').exists()


def test_threads_write_the_same_bytes(folders, roots, tmp_path):
    others = tmp_path / 'x', tmp_path / 'y'
    merge_folders(*folders, roots, threads=1)
    merge_folders(*folders, others, threads=3)
    for root, other in zip(roots, others, strict=True):
        for name in ('a/0.png', 'b/1.png', 'statistics.npz', 'manifest.json'):
            assert (root / name).read_bytes() == (other / name).read_bytes()


def test_interrupted_merging_leaves_no_manifest(folders, roots):
    merge_folders(*folders, roots)
    (folders[1].root / 'b/1.png').unlink()
    with pytest.raises(DataError, match=r'b/1\.png'):
        merge_folders(*folders, roots)
    assert not (roots[0] / 'manifest.json').exists()
    assert not (roots[1] / 'manifest.json').exists()


def test_missing_confidences_are_named(folders, roots):
    (folders[0].root / 'a/0.tif').unlink()
    with pytest.raises(DataError, match=r'a/0\.tif.*keep_scores=True'):
        merge_folders(*folders, roots)


def test_damaged_confidences_are_named(folders, roots):
    (folders[0].root / 'a/0.tif').write_bytes(b'no image')
    with pytest.raises(DataError, match=r'a/0\.tif.* is damaged'):
        merge_folders(*folders, roots)


def test_labels_of_two_sizes_are_refused(folders, roots, tmp_path):
    wide = write_labels(tmp_path / 'wide', {'a/0': [[0] * 7]})
    with pytest.raises(DataError, match=r'a/0\.png.* differ in size'):
        merge_folders(folders[0], wide, roots)


def test_images_of_one_model_are_refused(folders, roots):
    with pytest.raises(DataError, match="the first is 'c/2'"):
        merge_folders(*folders, roots, keys=['a/0', 'c/2'])


def test_other_bins_are_refused(folders, roots):
    table = folders[0].statistics
    other = ImageStatistics(
        table.keys, table.predicted, table.kept, table.kept, table.sizes, 8192
    )
    changed = LabelledImages(folders[1].root, folders[1].manifest, other)
    with pytest.raises(DataError, match=r'have other pseudo_labels\.bins'):
        merge_folders(folders[0], changed, roots)


def test_folders_that_are_read_are_not_written_to(folders, tmp_path):
    roots = folders[0].root, tmp_path / 'b'
    with pytest.raises(ConfigError, match='needs four folders'):
        merge_folders(*folders, roots)


def test_unknown_rule_is_refused(folders, roots):
    with pytest.raises(ConfigError, match="disagreement='max'"):
        merge_folders(*folders, roots, disagreement='max')


def test_statistics_of_other_images_are_refused(tmp_path):
    statistics([[1, 1, 1]], keys=['x']).write(tmp_path)
    manifest(keys=['y']).write(tmp_path)
    with pytest.raises(DataError, match=r'statistics\.npz.* is of other'):
        LabelledImages.read(tmp_path)
