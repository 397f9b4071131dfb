"""A pool of checkpoints against what they predict one by one."""

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from tiny_models import sample
from toy_pools import CLASSES, tiny_pool

from mmuda.evaluation.label_free_state import LabelFreeState
from mmuda.model_selection import pool_evaluation
from mmuda.model_selection.checkpoint_pool import CheckpointPool
from mmuda.model_selection.checkpoint_scores import (
    expected_iou,
    left_out_classes,
    score_rows,
)
from mmuda.model_selection.pool_evaluation import (
    PoolEvidence,
    coarse_logits,
    evaluate_source,
    evaluate_target,
)
from mmuda.utils.errors import CheckpointError

IMAGES, SIZE = 3, (33, 41)


def batches(labelled=False):
    for seed in range(IMAGES):
        generator = torch.Generator().manual_seed(seed)
        image, about = sample(SIZE, generator, labelled, f'{seed}.png')
        yield dict(inputs=[image], data_samples=[about])


def silent(*_):
    """Report nothing."""


def evaluate(folder, count=3, **options):
    pool = CheckpointPool(*tiny_pool(folder, count), CLASSES, **options)
    evidence = evaluate_target(pool, batches(), IMAGES, 5, 1, silent)
    evidence.sources = evaluate_source(
        pool, batches(labelled=True), IMAGES, 5, silent
    )
    return pool, evidence


def require_equal(first, second):
    assert torch.equal(first.ensemble, second.ensemble)
    assert torch.equal(first.equal, second.equal)
    for one, other in zip(first.states, second.states, strict=True):
        for name, value in one.sums.items():
            assert torch.equal(value, other[name]), name


@pytest.fixture(scope='module')
def evaluated(tmp_path_factory):
    return evaluate(tmp_path_factory.mktemp('pool'))


def test_the_ensemble_is_the_mean_of_all_softmaxes(evaluated):
    pool, evidence = evaluated
    expected = torch.zeros(3, 5, 5, dtype=torch.long)
    equal = torch.zeros(3, 3, dtype=torch.long)
    for batch in batches():
        logits = torch.stack(
            [coarse_logits(pool.use(index), batch)[0][0] for index in range(3)]
        )
        # Of equal ones argmax may choose another.
        labels = logits.max(1).indices
        p = logits.softmax(1)
        ensemble = (p[0] + p[1] + p[2]).max(0).indices
        for first in range(3):
            pairs = ensemble * 5 + labels[first]
            expected[first] += torch.bincount(
                pairs.flatten(), minlength=25
            ).view(5, 5)
            for second in range(3):
                same = labels[first] == labels[second]
                equal[first, second] += same.sum()
    assert len(expected.sum((0, 1)).nonzero()) > 2
    assert torch.equal(evidence.ensemble, expected)
    assert torch.equal(evidence.equal, equal)
    assert evidence.changed(0, 1) == 1 - equal[0, 1] / equal[0, 0]


def test_each_is_summed_as_if_alone(evaluated):
    pool, evidence = evaluated
    for index, found in enumerate(evidence.states):
        alone = LabelFreeState(5)
        for batch in batches():
            alone.update(coarse_logits(pool.use(index), batch)[0])
        for name in ('gram', 'region_gram', 'predicted', 'images_with'):
            torch.testing.assert_close(
                found[name], alone[name], rtol=1e-9, atol=0
            )
        assert found['view_images'] == IMAGES
    assert not torch.equal(
        evidence.states[0]['gram'], evidence.states[1]['gram']
    )


def test_weights_that_do_not_fit_into_memory_are_read_again(
    evaluated, tmp_path, monkeypatch
):
    monkeypatch.setattr(pool_evaluation, '_CHUNK', 2)
    pool, evidence = evaluate(tmp_path, kept_bytes=0)
    assert pool._kept == {}
    require_equal(evidence, evaluated[1])


def test_in_16_bits_nearly_all_pixels_have_the_same_class(evaluated, tmp_path):
    logits = {}
    for precision in ('fp32', 'bf16'):
        folder = tmp_path / precision
        folder.mkdir()
        cfg, files = tiny_pool(folder, 1)
        pool = CheckpointPool(cfg, files, CLASSES, precision)
        with pool.computing():
            found = [coarse_logits(pool.use(0), b)[0] for b in batches()]
        logits[precision] = torch.stack(found)
    wide, narrow = logits.values()
    assert narrow.dtype == torch.float32
    assert not torch.equal(wide, narrow)
    same = wide.argmax(2) == narrow.argmax(2)
    assert same.float().mean() > 0.98
    # The sums are of what was computed in 16 bits, and are not themselves.
    _, evidence = evaluate(tmp_path, precision='bf16')
    alone = LabelFreeState(5)
    for maps in narrow:
        alone.update(maps)
    torch.testing.assert_close(
        evidence.states[0]['gram'], alone['gram'], rtol=1e-9, atol=0
    )
    assert not torch.equal(
        evidence.states[0]['gram'], evaluated[1].states[0]['gram']
    )


def test_source_labels_are_read_at_the_cells(evaluated):
    pool, evidence = evaluated
    (height, width), classes = SIZE, 5
    logits = [coarse_logits(pool.use(0), batch)[0] for batch in batches()]
    rows, columns = logits[0].shape[2:]
    y = ((torch.arange(rows) + 0.5) * height / rows).long()
    x = ((torch.arange(columns) + 0.5) * width / columns).long()
    expected = torch.zeros(classes**2, dtype=torch.long)
    for batch, scores in zip(batches(labelled=True), logits, strict=True):
        truth = batch['data_samples'][0].gt_sem_seg.data[0][y][:, x]
        pairs = truth * classes + scores[0].argmax(0)
        expected += torch.bincount(pairs.flatten(), minlength=classes**2)
    found = evidence.sources[0]
    assert torch.equal(found.confusion.flatten(), expected)
    assert found.images == IMAGES


def test_rows_have_all_scores(evaluated):
    rows = score_rows(evaluated[1])
    assert len(rows) == 3
    for name in ('BNM_r', 'consistency', 'EnsV', 'IM_s', 'DoC'):
        assert all(abs(row[name]) > 0 for row in rows), name
    assert all(0 <= row['ATC_mIoU'] <= 100 for row in rows)


def test_one_checkpoint_has_no_pool(tmp_path):
    _, evidence = evaluate(tmp_path, 1)
    (row,) = score_rows(evidence)
    assert 'EnsV' not in row
    assert evidence.evidence(0).pool is None


def test_classes_that_a_checkpoint_has_lost_count_nothing(evaluated):
    evidence = evaluated[1]
    table = expected_iou(evidence)
    known = ~table.isnan()
    assert table.shape == (3, 5)
    # All or none of a column.
    assert (known.all(0) | ~known.any(0)).all()
    row = score_rows(evidence)[0]
    assert row['ATC_mIoU'] == pytest.approx(float(table[0].nanmean()))
    empty = PoolEvidence.empty(2, 5)
    assert expected_iou(empty).shape == (0, 5)
    assert left_out_classes(empty, CLASSES) == []


def test_padding_does_not_count(tmp_path):
    pool = CheckpointPool(*tiny_pool(tmp_path, 1), CLASSES)
    image = torch.zeros(3, 48, 64, dtype=torch.uint8)
    about = SegDataSample(
        metainfo=dict(
            img_shape=(48, 64),
            ori_shape=(48, 32),
            padding_size=(0, 32, 0, 0),
        )
    )
    about.gt_sem_seg = PixelData(data=torch.zeros(1, 48, 64).long())
    batch = dict(inputs=[image], data_samples=[about])
    logits, valid = coarse_logits(pool.use(0), batch)
    columns = logits.shape[3]
    assert valid.shape == (1, *logits.shape[2:])
    assert valid[0, 0].sum() == pytest.approx(columns / 2, abs=1)
    assert valid[0, 0, 0]
    assert not valid[0, 0, -1]


def test_other_classes_are_refused(tmp_path):
    cfg, files = tiny_pool(tmp_path, 2, classes=tuple('abcdf'))
    with pytest.raises(CheckpointError, match='trained for other classes'):
        CheckpointPool(cfg, files, CLASSES)


def test_names_are_as_short_as_can_be(tmp_path):
    (tmp_path / 'run').mkdir()
    cfg, first = tiny_pool(tmp_path, 2)
    assert CheckpointPool(cfg, first, CLASSES).names() == [
        'iter_1.pth',
        'iter_2.pth',
    ]
    _, second = tiny_pool(tmp_path / 'run', 1)
    names = CheckpointPool(cfg, [first[0], *second], CLASSES).names()
    assert names == [f'{tmp_path.name}/iter_1.pth', 'run/iter_1.pth']
