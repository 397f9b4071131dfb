"""The warm-up and the self-training of CoaST and MLCL, and their hooks."""

from pathlib import Path

import pytest
from mtda_leaves import LEAVES, ROOT, is_carla, load, method_of

from mmuda.procedures.self_training_rounds import SelfTrainingOptions
from mmuda.pseudo_labels.labelling_options import PseudoLabelOptions
from mmuda.registry import HOOKS
from mmuda.utils.config import default_work_dir

SELF_TRAINED = [
    leaf for leaf in LEAVES if method_of(leaf) in ('coast', 'mlcl')
]
WARM_UPS = [leaf for leaf in LEAVES if method_of(leaf) == 'warm_up']
SCHEDULED = ('mtkt', 'ccl', 'coast', 'mlcl')


def initial_of(leaf):
    path = (ROOT / leaf).parent / load(leaf).self_training.initial
    return str(path.resolve().relative_to(ROOT))


def test_each_warm_up_is_continued():
    assert {initial_of(leaf) for leaf in SELF_TRAINED} == set(WARM_UPS)


@pytest.mark.parametrize('leaf', SELF_TRAINED)
def test_warm_up_has_the_same_name(leaf):
    assert Path(initial_of(leaf)).name == Path(leaf).name


@pytest.mark.parametrize('leaf', SELF_TRAINED)
def test_warm_up_has_the_same_targets(leaf):
    assert load(initial_of(leaf)).targets == load(leaf).targets


@pytest.mark.parametrize('leaf', SELF_TRAINED)
def test_warm_up_has_the_same_network(leaf):
    first, second = load(initial_of(leaf)).model, load(leaf).model
    assert first.segmentor.decode_head == second.segmentor.decode_head
    different = ('norm_cfg', 'norm_eval')
    for key in {*first.segmentor.backbone} - {*different}:
        backbones = first.segmentor.backbone, second.segmentor.backbone
        assert backbones[0][key] == backbones[1][key]


@pytest.mark.parametrize('leaf', SELF_TRAINED)
def test_training_starts_from_the_last_checkpoint_of_the_warm_up(leaf):
    initial = initial_of(leaf)
    last = load(initial).train_cfg.max_iters
    folder = default_work_dir(ROOT / initial)
    assert load(leaf).load_from == f'{folder}/iter_{last}.pth'


@pytest.mark.parametrize('leaf', SELF_TRAINED)
def test_labels_are_made_while_training(leaf):
    options = SelfTrainingOptions.from_config(load(leaf))
    assert options.label_online
    assert options.continue_training
    assert options.rounds == 1


@pytest.mark.parametrize('leaf', SELF_TRAINED)
def test_probabilities_of_all_classes_are_labelled(leaf):
    options = PseudoLabelOptions.from_config(load(leaf))
    assert options.soft_top_k == 0
    assert type(options.build_rule()).__name__ == 'KeepAll'


@pytest.mark.parametrize('leaf', LEAVES)
def test_hook_is_there_for_methods_that_need_it(leaf):
    hooks = load(leaf).default_hooks
    assert ('consistency' in hooks) == (method_of(leaf) in SCHEDULED)


@pytest.mark.parametrize('leaf', LEAVES)
def test_hooks_build(leaf):
    hooks = [*load(leaf).custom_hooks]
    if 'consistency' in load(leaf).default_hooks:
        hooks.append(load(leaf).default_hooks.consistency)
    for hook in hooks:
        HOOKS.build(dict(hook))


@pytest.mark.parametrize('leaf', SELF_TRAINED)
def test_targets_are_labelled_anew(leaf):
    refresh = load(leaf).default_hooks.consistency.refresh
    rounds = range(
        refresh.begin, refresh.get('end', 500) + 1, refresh.interval
    )
    expected = [0, 500] if is_carla(leaf) else list(range(0, 50001, 10000))
    assert list(rounds) == expected


@pytest.mark.parametrize('leaf', SELF_TRAINED)
def test_rounds_without_a_checkpoint_are_removed(leaf):
    refresh = load(leaf).default_hooks.consistency.refresh
    assert refresh.keep_rounds == 1


@pytest.mark.parametrize(
    ('leaf', 'begin'),
    [
        ('mtkt/g2cmi.py', 20000),
        ('mtkt/carla2camvid.py', 800),
        ('ccl/g2cmi.py', 0),
        ('coast/g2cmi.py', 0),
        ('mlcl/g2cmi.py', 0),
    ],
)
def test_distillation_begins(leaf, begin):
    hook = HOOKS.build(dict(load(leaf).default_hooks.consistency))
    first = next(i for i in range(20001) if hook.phase(i).distils)
    assert first == begin


@pytest.mark.parametrize('leaf', LEAVES)
def test_warm_up_is_evaluated_by_the_heads_of_the_targets(leaf):
    cfg = load(leaf)
    for loop in (cfg.val_cfg, cfg.test_cfg):
        assert loop.get('own_heads', False) == (method_of(leaf) == 'warm_up')


@pytest.mark.parametrize('leaf', LEAVES)
def test_every_target_is_evaluated(leaf):
    cfg = load(leaf)
    assert cfg.val_cfg.type == 'MultiTargetValLoop'
    assert cfg.test_cfg.type == 'MultiTargetTestLoop'
