"""Checkpoints of networks that differ, and see images at other sizes."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from toy_pools import SMALL, cfg_classes, shown_at, two_networks

from mmuda.model_selection import pool_evaluation
from mmuda.model_selection.checkpoint_pool import CheckpointPool
from mmuda.model_selection.checkpoint_scores import score_checkpoints
from mmuda.model_selection.harm_comparison import compare_with_source_only
from mmuda.model_selection.image_views import View, chunks
from mmuda.model_selection.member_configs import members_of, with_data_of
from mmuda.model_selection.pool_evaluation import coarse_logits, evaluate_pool
from mmuda.model_selection.pool_evidence import brought_to
from mmuda.model_selection.selection_data import (
    Sampling,
    loader_of,
    source_images,
    target_images,
)
from mmuda.utils.config import config_text
from mmuda.utils.config_data import data_sets, dataset_leaves
from mmuda.utils.errors import CheckpointError, ConfigError, DataError

SAMPLING = Sampling(target_count=3, source_count=2, workers=0)
# Of 64x128 pixels, and of 128x256
CELLS, MORE_CELLS = 9 * 17, 17 * 33


def silent(*_):
    """Report nothing."""


@pytest.fixture(scope='module')
def two(tmp_path_factory):
    return two_networks(tmp_path_factory.mktemp('networks'))


def holding(file, cfg, folder):
    """The checkpoint as a training writes it, with its config."""
    content = torch.load(file, weights_only=False)
    content['meta']['cfg'] = config_text(cfg)
    path = str(folder / 'recorded.pth')
    torch.save(content, path)
    return path


def require_equal(first, second):
    for name, value in first.sums.items():
        assert torch.equal(value, second[name]), name
    assert torch.equal(first.confidences.counts, second.confidences.counts)


@pytest.fixture(scope='module')
def scored(two):
    (large, small), files, _ = two
    return score_checkpoints(
        large, files, SAMPLING, silent, {files[1]: small}
    ).evidence


def test_each_is_summed_as_if_alone_in_its_own_config(two, scored):
    (large, small), files, _ = two
    # Of source-only only the validation has a target.
    alone = [score_checkpoints(large, files[:1], SAMPLING, silent)]
    both = Sampling(images='val', source_count=2, workers=0)
    alone.append(score_checkpoints(small, files[1:], both, silent))
    together = score_checkpoints(large, files, both, silent, {files[1]: small})
    require_equal(scored.states[0], alone[0].evidence.states[0])
    require_equal(together.evidence.states[1], alone[1].evidence.states[0])
    for index, evidence in enumerate((scored, together.evidence)):
        found = evidence.sources[index]
        expected = alone[index].evidence.sources[0]
        assert torch.equal(found.confusion, expected.confusion)
        assert torch.equal(found.confidence, expected.confidence)
    pixels = [int(state['pixels']) for state in scored.states]
    assert pixels == [3 * MORE_CELLS, 3 * CELLS]


def test_the_ensemble_is_the_mean_at_the_first_ones_resolution(two, scored):
    (large, small), files, _ = two
    members, _ = members_of(large, files, {files[1]: small})
    sets = [target_images(member.cfg) for member in members]
    classes = sets[0].metainfo['classes']
    pool = CheckpointPool(members, classes)
    count = len(classes)
    ensemble = torch.zeros(2, count, count, dtype=torch.long)
    equal = torch.zeros((), dtype=torch.long)
    # as SAMPLING spreads three over five
    indices = [0, 1, 3]
    for batches in zip(*(loader_of(s, indices, 0) for s in sets), strict=True):
        logits = [
            coarse_logits(pool.use(index), batch)[0]
            for index, batch in enumerate(batches)
        ]
        sizes = [part.shape[2:].numel() for part in logits]
        assert sizes == [MORE_CELLS, CELLS]
        p = [part.softmax(1) for part in logits]
        p[1] = F.interpolate(
            p[1], p[0].shape[2:], mode='bilinear', align_corners=False
        )
        best = ((p[0] + p[1]) / 2).argmax(1).flatten()
        own = [part.argmax(1).flatten() for part in p]
        for index in range(2):
            pairs = torch.bincount(best * count + own[index], None, count**2)
            ensemble[index] += pairs.view(count, count)
        equal += (own[0] == own[1]).sum()
    assert (ensemble.sum((1, 2)) == scored.ensemble.sum((1, 2))).all()
    # Where two are equally probable argmax may choose either.
    assert (ensemble - scored.ensemble).abs().sum() <= 4
    assert abs(int(equal) - int(scored.equal[0, 1])) <= 2
    assert 0 < int(equal) < int(scored.compared[0, 1])


def test_images_have_their_keys(two):
    """Also where a config packs none, which say what is seen twice."""
    large, small = two[0]
    merged = with_data_of(small, large, 'small.py')
    plain, keyed = (
        target_images(c)[0]['data_samples'] for c in (large, merged)
    )
    assert 'key' not in plain
    assert plain.img_path == keyed.img_path
    assert keyed.key in plain.img_path


def test_images_may_come_one_by_one(two, scored, monkeypatch):
    (large, small), files, _ = two
    monkeypatch.setattr(pool_evaluation, '_CHUNK', 1)
    members, _ = members_of(large, files, {files[1]: small})
    found = evaluate_pool(members, SAMPLING, silent).evidence
    assert torch.equal(found.ensemble, scored.ensemble)
    require_equal(found.states[1], scored.states[1])


def test_networks_are_built_once(two):
    (large, small), files, _ = two
    again = Config(large.to_dict())
    again.model.warmup_iters = 7
    taught = Config(large.to_dict())
    taught.model.teacher = True
    configs = {files[0]: again, files[1]: small}
    members, _ = members_of(large, files, configs)
    first = members_of(large, files[:1])[0]
    teacher = members_of(large, files[:1], {files[0]: taught})[0]
    classes = cfg_classes(large)
    pool = CheckpointPool([*first, *members, *teacher], classes)
    models = [pool.use(index) for index in range(4)]
    assert models[0] is models[1]
    assert len({id(model) for model in models}) == 3


def test_source_has_the_size_of_each(two):
    (large, small), _, _ = two
    merged = with_data_of(small, large, 'small.py')
    shapes = [
        source_images(cfg)[0][0]['inputs'].shape[1:] for cfg in (large, merged)
    ]
    assert [tuple(shape) for shape in shapes] == [(128, 256), (64, 128)]
    # one without a source: as its validation
    small = Config(small.to_dict())
    small.train_dataloader = None
    merged = with_data_of(small, large, 'small.py')
    image = source_images(merged)[0][0]['inputs']
    assert tuple(image.shape[1:]) == (64, 128)


def test_averages_of_cells():
    p = torch.tensor([[[0.9, 0.7], [0.3, 0.1]], [[0.1, 0.3], [0.7, 0.9]]])
    label = torch.tensor([[0, 0], [1, 1]], dtype=torch.uint8)
    everywhere = torch.ones(2, 2, dtype=torch.bool)
    same = brought_to(p, label, everywhere, everywhere)
    assert same[0] is p
    assert same[1] is label
    found, _ = brought_to(p, label, everywhere, everywhere[:1])
    # a row of both: the mean of them
    torch.testing.assert_close(found[0], torch.tensor([[0.6, 0.4]]))
    # (2, 2) cells on the right half of (2, 4)
    grid = torch.tensor([[False, False, True, True]] * 2)
    found, classes = brought_to(p, label, everywhere, grid)
    assert torch.equal(found[..., 2:], p)
    assert found[..., :2].abs().sum() == 0
    assert classes.tolist() == [[255, 255, 0, 0], [255, 255, 1, 1]]
    back, classes = brought_to(found, classes, grid, everywhere)
    assert torch.equal(back, p)
    assert torch.equal(classes, label)


def test_what_is_no_number_stays_unknown():
    p = torch.full((2, 2, 2), 0.5)
    p[:, 0] = 0
    label = torch.tensor([[255, 255], [0, 0]], dtype=torch.uint8)
    everywhere = torch.ones(2, 2, dtype=torch.bool)
    larger = torch.ones(4, 4, dtype=torch.bool)
    _, classes = brought_to(p, label, everywhere, larger)
    assert (classes[:2] == 255).all()
    assert (classes[2:] == 0).all()


def test_other_images_are_refused(two):
    dataset = target_images(two[0][0])
    views = [
        View([number], loader_of(dataset, indices, 0))
        for number, indices in enumerate(([0, 1], [0, 2]))
    ]
    with pytest.raises(DataError, match='compared on other images, .* and '):
        [list(chunk) for chunk in chunks(views, 2, 2)]


def test_a_checkpoint_is_looked_at_by_the_config_that_it_holds(two, tmp_path):
    (large, small), files, _ = two
    file = holding(files[1], small, tmp_path)
    found = score_checkpoints(large, [files[0], file], SAMPLING, silent)
    named = score_checkpoints(
        large, [files[0], file], SAMPLING, silent, {file: small}
    )
    assert found.notes[0].startswith(f'{file} does not fit the network')
    assert found.notes[1:] == named.notes
    assert found.rows == named.rows
    # Of one that fits, what it holds changes nothing.
    other = shown_at(large, SMALL)
    own = holding(files[0], other, tmp_path)
    members, notes = members_of(large, [own])
    assert members[0].cfg is large
    assert notes == []


def test_the_run_of_a_named_checkpoint_has_its_config(two):
    (large, small), files, _ = two
    sibling = files[1].replace('iter_1.pth', 'iter_7.pth')
    members, _ = members_of(
        large, [files[0], sibling, files[1]], {files[1]: small}
    )
    assert members[1].cfg is members[2].cfg
    assert members[1].file == sibling
    assert members[0].cfg is large


def test_a_checkpoint_that_fits_no_config(two):
    (large, small), files, _ = two
    with pytest.raises(
        CheckpointError, match=r'does not fit.*--configs .*source_only'
    ):
        members_of(large, files)
    with pytest.raises(CheckpointError, match='no such checkpoint file'):
        members_of(large, ['nowhere.pth'])
    with pytest.raises(ConfigError, match="'.*nowhere.pth', which is not"):
        members_of(large, files, {'nowhere.pth': small})


def test_the_head_of_another_config_is_missing(two, tmp_path):
    (large, small), files, _ = two
    headless = Config(small.to_dict())
    headless.model.segmentor.pop('decode_head')
    headless.dump(tmp_path / 'headless.py')
    headless = Config.fromfile(tmp_path / 'headless.py')
    with pytest.raises(ConfigError, match=r'headless\.py: .*decode_head'):
        score_checkpoints(large, files, SAMPLING, silent, {files[1]: headless})
    with pytest.raises(
        CheckpointError, match=r'the config of .* does not fit'
    ):
        score_checkpoints(
            large, files, SAMPLING, silent, {files[1]: shown_at(large, SMALL)}
        )


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(label_set='synthia16'), 'small.py: classes of its data sets'),
        (dict(pipeline=2), 'small.py: val_dataloader.dataset.pipeline: .*Cro'),
    ],
)
def test_what_can_not_be_compared(two, change, message):
    large, small = (Config(cfg.to_dict()) for cfg in two[0])
    for dataset in data_sets(small).values():
        for leaf in dataset_leaves(dataset):
            if 'label_set' in change:
                leaf.label_set = change['label_set']
            else:
                leaf.pipeline.insert(1, dict(type='CropFraction', bottom=0.1))
    with pytest.raises(ConfigError, match=message):
        with_data_of(small, large, 'small.py')


def test_alarms_of_networks_that_differ(two):
    """The small one as the adapted one: its resolution decides."""
    (large, small), files, _ = two
    cfg = Config(small.to_dict())
    cfg.train_dataloader = large.train_dataloader
    found = compare_with_source_only(
        cfg, files[1], files[0], [], SAMPLING, silent, {files[0]: large}
    )
    evidence = found.scores.evidence
    pixels = [int(state['pixels']) for state in evidence.states]
    assert pixels == [3 * CELLS, 3 * MORE_CELLS]
    assert int(evidence.compared[0, 1]) == 3 * CELLS
    assert found.report.lines()


def test_images_of_one_size_are_there_at_a_time(two):
    sets = [target_images(cfg) for cfg in (two[0][0],) * 2]
    views = [
        View([n], loader_of(part, [0, 1], 0)) for n, part in enumerate(sets)
    ]
    for seen in chunks(views, 2, 2):
        kept = []
        for _, batches in seen:
            kept.append(batches)
            assert [len(part) for part in kept] == [0] * len(kept[1:]) + [2]


def test_a_teacher_that_only_another_config_tests(two):
    (large, small), files, _ = two
    taught = Config(small.to_dict())
    taught.model |= dict(teacher=True, predict_on='teacher')
    configs = {files[1]: taught}
    found = compare_with_source_only(
        large, files[0], files[1], [], SAMPLING, silent, configs
    )
    names = found.scores.names
    assert [name.partition('.pth')[2] for name in names] == [
        *('', ' (segmentor)')
    ]
    assert found.disagreement is None
    scores = score_checkpoints(large, files, SAMPLING, silent, configs)
    assert scores.names == names
    assert scores.notes[0].endswith(f'judged: {names[1]}')


def test_statistics_of_the_target_are_measured_as_each_sees_it(two, scored):
    (large, small), files, _ = two
    measuring = Config(small.to_dict())
    measuring.model.norm_statistics = dict(mode='target', images=2)
    measuring.model.norm_statistics |= dict(num_workers=0, frozen=True)
    together = score_checkpoints(
        large, files, SAMPLING, silent, {files[1]: measuring}
    )
    alone = Config(measuring.to_dict())
    alone.train_dataloader = large.train_dataloader
    alone = score_checkpoints(alone, files[1:], SAMPLING, silent)
    require_equal(together.evidence.states[1], alone.evidence.states[0])
    require_equal(together.evidence.states[0], scored.states[0])
    gram = together.evidence.states[1]['gram']
    assert not torch.equal(gram, scored.states[1]['gram'])
