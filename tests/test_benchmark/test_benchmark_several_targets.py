import pytest
import torch
from benchmark_config import SIZES, tiny_config

from benchmarks.several_targets import several_targets_rows
from benchmarks.several_targets_case import SeveralTargetsCase
from benchmarks.several_targets_config import METHODS, needed_passes
from mmuda.models.uda import collaborative_self_training
from mmuda.utils.setup_env import register_all_modules

# Of an iteration with 1, 2, 3 and 5 targets.
NUMBERS = (1, 2, 3, 5)
PASSES = dict(
    MultiDis=(2, 3, 4, 6),
    MTKT=(2, 3, 4, 6),
    CCL=(3, 8, 15, 35),
    CoaST=(2, 5, 10, 26),
    MLCL=(3, 7, 13, 31),
)
COUNTS = [
    (method, number, count)
    for method in METHODS
    for number, count in zip(NUMBERS, PASSES[method], strict=True)
]


def build(method, number, **options):
    torch.manual_seed(0)
    return SeveralTargetsCase(tiny_config(), method, number, **options)


@pytest.fixture(scope='module')
def rows():
    """Rows of MLCL, by name, and what was told on the way."""
    register_all_modules()
    told = []
    found = several_targets_rows(
        tiny_config(),
        (1, 2),
        methods=['MLCL'],
        rounds=4,
        warmup=0,
        tick=told.append,
    )
    return {row.name: row for row in found}, told


@pytest.mark.parametrize(('method', 'number', 'count'), COUNTS)
def test_backbone_passes_of_an_iteration(method, number, count):
    case = build(method, number)
    # CoaST knows no styles in its first.
    case.step()
    assert case.count_passes() == count


@pytest.mark.parametrize('method', METHODS)
def test_needed_passes(method):
    needed = tuple(needed_passes(method, number) for number in NUMBERS)
    assert needed == PASSES[method]


def test_counting_leaves_no_hook_behind():
    case = build('CCL', 2)
    before = [dict(m._forward_hooks) for m in case.model.modules()]
    case.count_passes()
    assert [m._forward_hooks for m in case.model.modules()] == before


@pytest.mark.parametrize('method', ['MLCL', 'CCL'])
@pytest.mark.parametrize('number', [1, 2, 3])
def test_colour_transfers_are_those_of_an_iteration(
    monkeypatch, method, number
):
    module = collaborative_self_training
    case, transfer, calls = build(method, number), module.in_colors_of, []

    def watched(preprocessor, images, target, weak):
        calls.append((images.shape, target.images.shape))
        return transfer(preprocessor, images, target, weak)

    monkeypatch.setattr(module, 'in_colors_of', watched)
    case.step()
    expected = [
        (case.images[domain].shape, case.images[target].shape)
        for domain, target in case.color_pairs
    ]
    assert len(calls) == number**2
    assert sorted(calls) == sorted(expected)


@pytest.mark.parametrize('method', METHODS)
def test_an_iteration_changes_the_weights(method):
    case = build(method, 2)
    weight = case.model.segmentor.backbone.conv1.weight
    before = weight.detach().clone()
    case.step()
    assert not torch.equal(weight, before)


def test_images_have_the_sizes_of_the_config():
    shapes = {
        name: tuple(images.shape[2:])
        for name, images in build('MLCL', 2).images.items()
    }
    sizes = {name: size[::-1] for name, size in SIZES.items()}
    assert shapes == {
        'source': sizes['source'],
        'target_1': sizes['target'],
        'target_2': sizes['target'],
    }


def test_targets_have_no_labels():
    case = build('MLCL', 2)
    labelled = {
        name: 'gt_sem_seg' in domain.samples[0]
        for name, domain in case.domains.items()
    }
    assert labelled == dict(source=True, target_1=False, target_2=False)


def test_soft_labels_are_distributions():
    sample = build('MLCL', 1).domains['target_1'].samples[0]
    total = sample.pseudo_soft_seg.data.float().sum(dim=0)
    torch.testing.assert_close(
        total, torch.ones_like(total), atol=1e-2, rtol=0
    )


def test_features_are_kept_again_after_an_iteration_that_recomputes():
    case = build('MLCL', 2)
    case.step(recompute=True)
    assert case.model.segmentor.recompute_features is False


def test_rows_of_a_number_of_targets(rows):
    assert list(rows[0]) == [
        'MLCL, 1 target: backbone passes',
        'MLCL, 1 target: colour transfer / iteration',
        'MLCL, 1 target: colour transfer / by OpenCV in 8 bits',
        'MLCL, 2 targets: backbone passes',
        'MLCL, 2 targets: iteration / of 1 target',
        'MLCL, 2 targets: time of a pass / of 1 target',
        'MLCL, 2 targets: features recomputed / kept',
        'MLCL, 2 targets: colour transfer / iteration',
        'MLCL, 2 targets: colour transfer / by OpenCV in 8 bits',
    ]


def test_goal_of_the_passes_is_what_the_method_needs(rows):
    row = rows[0]['MLCL, 2 targets: backbone passes']
    assert (row.value, row.goal) == (7, 7)


def test_time_of_a_pass_is_that_of_the_iteration_by_passes(rows):
    iteration = rows[0]['MLCL, 2 targets: iteration / of 1 target'].value
    one_pass = rows[0]['MLCL, 2 targets: time of a pass / of 1 target'].value
    assert one_pass == pytest.approx(iteration * 3 / 7)


def test_two_targets_have_half_of_the_rounds(rows):
    last = [step for step in rows[1] if 'round 2/2, MLCL, 2 targets' in step]
    assert last == ['MLCL, 2 targets, round 2/2, MLCL, 2 targets']


def test_method_without_colours_has_no_row_of_them():
    found = several_targets_rows(
        tiny_config(), (1,), methods=['MTKT'], rounds=1, warmup=0
    )
    assert [row.name for row in found] == ['MTKT, 1 target: backbone passes']
