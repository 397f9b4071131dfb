"""A pool of checkpoints against what they predict one by one."""

import json

import pytest
import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from tiny_models import model_config, sample
from toy_pools import CLASSES, members, tiny_pool, write_checkpoints

from mmuda.evaluation.label_free_state import LabelFreeState
from mmuda.model_selection import pool_evaluation
from mmuda.model_selection.checkpoint_pool import CheckpointPool
from mmuda.model_selection.checkpoint_scores import (
    PoolScores,
    expected_iou,
    left_out_classes,
    score_rows,
)
from mmuda.model_selection.image_views import View
from mmuda.model_selection.pool_evaluation import (
    coarse_logits,
    evaluate_source,
    evaluate_target,
)
from mmuda.model_selection.pool_evidence import PoolEvidence
from mmuda.model_selection.selection_data import Sampling, chosen_images
from mmuda.utils.errors import CheckpointError, ConfigError, DataError

IMAGES, SIZE = 3, (33, 41)


def batches(labelled=False):
    for seed in range(IMAGES):
        generator = torch.Generator().manual_seed(seed)
        image, about = sample(SIZE, generator, labelled, f'{seed}.png')
        yield dict(inputs=[image], data_samples=[about])


def views(pool, labelled=False):
    """All see the images alike."""
    return [View(range(len(pool)), batches(labelled))]


def silent(*_):
    """Report nothing."""


def test_progress_counts_images_whatever_the_number_of_checkpoints(tmp_path):
    pool = CheckpointPool(members(*tiny_pool(tmp_path, 2)), CLASSES)
    told = []
    evaluate_target(
        pool, views(pool), IMAGES, 5, 0, lambda *step: told.append(step)
    )
    evaluate_source(
        pool,
        views(pool, labelled=True),
        IMAGES,
        5,
        lambda *step: told.append(step),
    )
    counts = [0, 1, 1, 2, 2, 3]
    assert told == [
        (part, done, IMAGES)
        for part in ('target', 'source')
        for done in counts
    ]


def evaluate(folder, count=3, **options):
    pool = CheckpointPool(
        members(*tiny_pool(folder, count)), CLASSES, **options
    )
    evidence = evaluate_target(pool, views(pool), IMAGES, 5, 1, silent)
    evidence.sources = evaluate_source(
        pool, views(pool, labelled=True), IMAGES, 5, silent
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
        pool = CheckpointPool(members(cfg, files), CLASSES, precision)
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
    assert empty.changed(0, 1) is None
    assert expected_iou(empty).shape == (0, 5)
    assert left_out_classes(empty, CLASSES) == []


def test_padding_does_not_count(tmp_path):
    pool = CheckpointPool(members(*tiny_pool(tmp_path, 1)), CLASSES)
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


def change(file, **values):
    """Fill weights of a checkpoint, by the ends of their names."""
    content = torch.load(file, weights_only=False)
    for name, weight in content['state_dict'].items():
        for end, value in values.items():
            if name.endswith(end.replace('__', '.')):
                weight.fill_(value)
    torch.save(content, file)


def test_a_network_of_no_numbers_does_not_silence_the_others(
    evaluated, tmp_path
):
    cfg, files = tiny_pool(tmp_path, 3)
    # Finite, and its products are not.
    last, first = 'decode_head__conv_seg__weight', 'convs__0__conv__weight'
    change(files[2], **{last: 3e38, first: 3e38})
    pool = CheckpointPool(members(cfg, files), CLASSES)
    found = evaluate_target(pool, views(pool), IMAGES, 5, 1, silent)
    assert found.states[2]['pixels'] == 0
    two = CheckpointPool(members(cfg, files[:2]), CLASSES)
    alone = evaluate_target(two, views(two), IMAGES, 5, 1, silent)
    assert torch.equal(found.compared[:2, :2], alone.compared)
    assert alone.compared.min() > 0
    assert torch.equal(found.ensemble[:2], alone.ensemble)
    assert torch.equal(found.equal[:2, :2], alone.equal)
    # Of what one of them does not see nothing is known to have changed.
    assert found.changed(0, 1) == alone.changed(0, 1) > 0
    assert [found.changed(2, other) for other in range(3)] == [None] * 3
    rows = score_rows(found)
    scores = PoolScores(pool.names(), CLASSES, rows, found, [])
    assert scores.order[-1] == 2
    # JSON has no NaN.
    text = json.dumps(scores.content(), allow_nan=False)
    last = json.loads(text)['checkpoints'][2]
    assert last['scores']['BNM_r'] is None
    assert last['class_ratio'] == [None] * 5


def test_no_images_at_all():
    with pytest.raises(DataError, match='no image of the target'):
        chosen_images([], Sampling())


def test_source_images_without_a_label(tmp_path):
    pool = CheckpointPool(members(*tiny_pool(tmp_path, 1)), CLASSES)
    found = list(batches(labelled=True))
    for batch in found:
        batch['data_samples'][0].gt_sem_seg.data.fill_(255)
    assert (
        evaluate_source(pool, [View([0], iter(found))], IMAGES, 5, silent)
        == []
    )


def test_networks_of_another_number_of_outputs_are_refused(tmp_path):
    cfg, (file,) = tiny_pool(tmp_path, 1)
    state = torch.load(file, weights_only=False)['state_dict']
    # The file does not tell its classes.
    torch.save(dict(state_dict=state), file)
    with pytest.raises(ConfigError, match='5 outputs and the images 4 class'):
        CheckpointPool(members(cfg, [file]), CLASSES[:4])


def test_networks_of_a_single_output_are_refused(tmp_path):
    config = model_config('SourceOnly')
    for name in ('decode_head', 'auxiliary_head'):
        one = dict(num_classes=2, out_channels=1, threshold=0.5)
        one['loss_decode'] = dict(type='CrossEntropyLoss', use_sigmoid=True)
        config['segmentor'][name] |= one
    files = write_checkpoints(tmp_path, config, CLASSES[:2], 1)
    with pytest.raises(ConfigError, match='by a single output'):
        CheckpointPool(members(Config(dict(model=config)), files), CLASSES[:2])


def test_other_classes_are_refused(tmp_path):
    cfg, files = tiny_pool(tmp_path, 2, classes=tuple('abcdf'))
    with pytest.raises(CheckpointError, match='trained for other classes'):
        CheckpointPool(members(cfg, files), CLASSES)


def test_names_are_as_short_as_can_be(tmp_path):
    (tmp_path / 'run').mkdir()
    cfg, first = tiny_pool(tmp_path, 2)
    assert CheckpointPool(members(cfg, first), CLASSES).names() == [
        'iter_1.pth',
        'iter_2.pth',
    ]
    _, second = tiny_pool(tmp_path / 'run', 1)
    names = CheckpointPool(members(cfg, [first[0], *second]), CLASSES).names()
    assert names == [f'{tmp_path.name}/iter_1.pth', 'run/iter_1.pth']
