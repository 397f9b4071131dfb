"""Statistics of each image, counted while labelling."""

import dataclasses

import cv2
import numpy as np
import pytest
from gloo import run
from labeling_runs import (
    CLASSES,
    PIPELINE,
    build_model,
    dataset_config,
    files_of,
    label,
    read,
    write_images,
)

from mmuda.datasets.pseudo_labels.pseudo_label_store import PseudoLabelManifest
from mmuda.pseudo_labels.image_statistics import ImageStatistics
from mmuda.pseudo_labels.labelling_jobs import LabellingJob
from mmuda.pseudo_labels.labelling_options import PseudoLabelOptions
from mmuda.pseudo_labels.second_pass import read_scores
from mmuda.utils.errors import ConfigError, DataError

KEYS = ['a/0', 'a/1', 'a/2', 'b/0', 'b/1']
RULE = dict(type='ClassBalancedPortion', portion=0.5)
OPTIONS = dict(rule=RULE, image_statistics=True, keep_scores=True)


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    root = tmp_path_factory.mktemp('images')
    return write_images(root, odd_size=(64, 48))


@pytest.fixture(scope='module')
def labelled(images, tmp_path_factory):
    """Folder, manifest and statistics."""
    out = tmp_path_factory.mktemp('labels') / 'labels'
    manifest = label(images, out, **OPTIONS)
    return out, manifest, ImageStatistics.read(out)


def test_kept_pixels_are_those_of_the_label_files(labelled):
    out, _, statistics = labelled
    assert statistics.keys == tuple(KEYS)
    for key, kept in zip(KEYS, statistics.kept, strict=True):
        written = read(out, key)
        counts = np.bincount(written[written < 255], minlength=CLASSES)
        assert kept.tolist() == counts.tolist()


def test_sums_are_those_of_the_score_files(labelled):
    out, _, statistics = labelled
    for key, sums in zip(KEYS, statistics.score_sums, strict=True):
        written, scores = read(out, key), read_scores(out, key)
        expected = [int(scores[written == c].sum()) for c in range(CLASSES)]
        assert sums.tolist() == expected
        assert (scores[written == 255] == 0).all()


def test_totals_are_those_of_the_manifest(labelled):
    _, manifest, statistics = labelled
    assert statistics.kept.sum(0).tolist() == list(manifest.kept.values())
    pixels = list(manifest.pixels.values())
    assert statistics.predicted.sum(0).tolist() == pixels


def test_sizes_are_those_of_the_labels(labelled):
    sizes = labelled[2].sizes.tolist()
    assert sizes == [list(read(labelled[0], key).shape) for key in KEYS]
    assert [64, 48] in sizes


def test_confidences_reach_the_thresholds(labelled):
    _, manifest, statistics = labelled
    mean = np.nanmin(statistics.mean_confidence, axis=0)
    assert (mean >= list(manifest.thresholds.values())).all()
    assert np.nanmax(statistics.mean_confidence) < 1


def test_the_ego_vehicle_is_neither_predicted_nor_kept(images, tmp_path):
    mask = np.zeros((40, 56), np.uint8)
    mask[30:] = 1
    cv2.imwrite(str(tmp_path / 'ego.png'), mask)
    ego = str(tmp_path / 'ego.png')
    label(images, tmp_path / 'out', ego_mask=ego, **OPTIONS)
    statistics = ImageStatistics.read(tmp_path / 'out')
    index = KEYS.index('a/0')
    assert statistics.predicted[index].sum() == 30 * 56
    assert statistics.rejected[index] >= 10 * 56


def test_two_processes_write_the_bytes_of_one(images, labelled, tmp_path):
    run(_label, tmp_path, images, tmp_path / 'out')
    assert files_of(tmp_path / 'out') == files_of(labelled[0])


def _label(images, out):
    label(images, out, **OPTIONS)


def test_a_stopped_run_continues_to_the_same_bytes(images, labelled, tmp_path):
    def stop(part, done, total):
        if part == 'selecting' and done == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        label(images, tmp_path / 'out', report=stop, **OPTIONS)
    assert not (tmp_path / 'out/statistics.npz').exists()
    label(images, tmp_path / 'out', **OPTIONS)
    assert files_of(tmp_path / 'out') == files_of(labelled[0])


def test_statistics_change_no_label(images, labelled, tmp_path):
    label(images, tmp_path / 'out', rule=RULE)
    plain, full = files_of(tmp_path / 'out'), files_of(labelled[0])
    assert set(full) - set(plain) == {
        'statistics.npz',
        *(f'{key}.tif' for key in KEYS),
    }
    assert all(plain[f'{key}.png'] == full[f'{key}.png'] for key in KEYS)


def job(images, out, **options):
    given = dict(rule=RULE, pipeline=PIPELINE, num_workers=0) | options
    return LabellingJob(
        PseudoLabelOptions(**given),
        dataset_config(images),
        out,
        dict(config='c.py', checkpoints=(), domain='target'),
        report=lambda *_: None,
    )


def test_earlier_manifests_go_with_unset_options(images, tmp_path):
    options = job(images, tmp_path).options
    assert {'image_statistics', 'keep_scores'}.isdisjoint(options.saved())


def test_labels_without_statistics_differ(images, tmp_path):
    label(images, tmp_path / 'out', rule=RULE)
    manifest = PseudoLabelManifest.read(tmp_path / 'out')
    plain = job(images, tmp_path / 'out')
    assert plain.differences(manifest) == []
    asking = job(images, tmp_path / 'out', image_statistics=True)
    assert asking.finished() == manifest
    assert asking.differences(manifest) == ['options']


def test_lost_statistics_make_labels_unfinished(images, tmp_path):
    label(images, tmp_path / 'out', **OPTIONS)
    assert job(images, tmp_path / 'out', **OPTIONS).finished() is not None
    (tmp_path / 'out/statistics.npz').unlink()
    assert job(images, tmp_path / 'out', **OPTIONS).finished() is None


def test_labelling_anew_removes_old_statistics(images, tmp_path):
    label(images, tmp_path / 'out', **OPTIONS)
    job(images, tmp_path / 'out').run(build_model())
    expected = {'manifest.json', 'label_free.json'}
    expected |= {f'{key}.png' for key in KEYS}
    assert set(files_of(tmp_path / 'out')) == expected


def test_rules_on_entropy_are_refused():
    options = PseudoLabelOptions(
        rule=dict(type='EntropyQuantile'), pipeline=[], image_statistics=True
    )
    with pytest.raises(ConfigError, match='EntropyQuantile is no rule on con'):
        options.build_rule()


@pytest.mark.parametrize('name', ['image_statistics', 'keep_scores'])
def test_switches_are_true_or_false(name):
    with pytest.raises(ConfigError, match=f'{name}=1: must be True or False'):
        PseudoLabelOptions(rule=RULE, pipeline=[], **{name: 1})


@pytest.mark.parametrize('key', ['../b/1', '/b/1', 'a/../../c', '', 'a\0b'])
def test_keys_that_lead_elsewhere_are_refused(labelled, tmp_path, key):
    _, _, statistics = labelled
    changed = dataclasses.replace(statistics, keys=(*KEYS[:-1], key))
    changed.write(tmp_path)
    with pytest.raises(DataError, match=r'the key .* leads elsewhere; gen'):
        ImageStatistics.read(tmp_path)
