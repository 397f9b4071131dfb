"""The warm-up and the self-training of CoaST and MLCL, and their hooks."""

import pytest
from mtda_leaves import (
    KINDS,
    LEAVES,
    ROOT,
    is_small,
    load,
    method_of,
    parts_of,
)

from mmuda.procedures.self_training_rounds import SelfTrainingOptions
from mmuda.pseudo_labels.labelling_options import PseudoLabelOptions
from mmuda.registry import HOOKS
from mmuda.utils.config import (
    default_work_dir,
    load_config,
    of_same_setting,
)

SELF_TRAINED = [
    leaf for leaf in LEAVES if method_of(leaf) in ('coast', 'mlcl')
]
SCHEDULED = ('mtkt', 'ccl', 'coast', 'mlcl')


def initial_of(leaf):
    """The config of the warm-up, and its name with the leaf's setting."""
    path = ROOT / load(leaf).self_training.initial
    setting = parts_of(leaf)[2]
    method, network, _ = parts_of(path.stem)
    return path, f'{method}_{network}_{setting}'


def test_each_warm_up_is_continued():
    found = {initial_of(leaf)[0].stem for leaf in SELF_TRAINED}
    assert found == {leaf for leaf in LEAVES if method_of(leaf) == 'warm_up'}


@pytest.mark.parametrize('leaf', SELF_TRAINED)
def test_the_warm_up_gets_the_setting(leaf):
    cfg, (path, name) = load(leaf), initial_of(leaf)
    options = of_same_setting(path, {}, cfg.get('setting'))
    warm_up = load_config(path, options, check=False)
    assert warm_up.to_dict() == load(name).to_dict()
    assert warm_up.targets == cfg.targets
    own = of_same_setting(path, dict(setting='g2c'), cfg.get('setting'))
    assert own == dict(setting='g2c')


@pytest.mark.parametrize('leaf', SELF_TRAINED)
def test_warm_up_has_the_same_network(leaf):
    first, second = load(initial_of(leaf)[1]).model, load(leaf).model
    assert first.segmentor.decode_head == second.segmentor.decode_head
    different = ('norm_cfg', 'norm_eval')
    for key in {*first.segmentor.backbone} - {*different}:
        backbones = first.segmentor.backbone, second.segmentor.backbone
        assert backbones[0][key] == backbones[1][key]


@pytest.mark.parametrize('leaf', SELF_TRAINED)
def test_training_starts_from_the_last_checkpoint_of_the_warm_up(leaf):
    path, name = initial_of(leaf)
    last = load(name).train_cfg.max_iters
    folder = default_work_dir(path, load(leaf).get('setting'))
    assert load(leaf).load_from == f'{folder}/iter_{last}.pth'


@pytest.mark.parametrize('leaf', SELF_TRAINED)
def test_probabilities_are_labelled_while_training(leaf):
    stages = SelfTrainingOptions.from_config(load(leaf))
    assert stages.label_online
    assert stages.continue_training
    assert stages.rounds == 1
    options = PseudoLabelOptions.from_config(load(leaf))
    assert options.soft_top_k == 0
    assert type(options.build_rule()).__name__ == 'KeepAll'


@pytest.mark.parametrize('leaf', KINDS)
def test_hooks_build(leaf):
    cfg = load(leaf)
    scheduled = 'consistency' in cfg.default_hooks
    assert scheduled == (method_of(leaf) in SCHEDULED)
    own = [cfg.default_hooks.consistency] if scheduled else []
    for hook in [*cfg.custom_hooks, *own]:
        HOOKS.build(dict(hook))


@pytest.mark.parametrize('leaf', SELF_TRAINED)
def test_targets_are_labelled_anew(leaf):
    refresh = load(leaf).default_hooks.consistency.refresh
    rounds = range(
        refresh.begin, refresh.get('end', 500) + 1, refresh.interval
    )
    expected = [0, 500] if is_small(leaf) else list(range(0, 50001, 10000))
    if leaf.endswith('idda_cn2cs_hrn'):
        # the last would be at the end of training
        expected = [0, 250, 500]
    assert list(rounds) == expected
    # Rounds without a checkpoint are removed.
    assert refresh.keep_rounds == 1


@pytest.mark.parametrize(
    ('leaf', 'begin'),
    [
        ('mtkt_deeplabv2-r101_g2cmi', 20000),
        ('mtkt_deeplabv2-r18_carla2camvid', 800),
        ('mtkt_aspp-efficientnet-lite0_idda_cn2cs_hrn', 300),
        ('ccl_deeplabv2-r101_g2cmi', 0),
        ('coast_aspp-r101_g2cmi', 0),
        ('mlcl_aspp-r101_g2cmi', 0),
    ],
)
def test_distillation_begins(leaf, begin):
    hook = HOOKS.build(dict(load(leaf).default_hooks.consistency))
    first = next(i for i in range(20001) if hook.phase(i).distils)
    assert first == begin


@pytest.mark.parametrize('leaf', KINDS)
def test_every_target_is_evaluated(leaf):
    """By its own head in the warm-up."""
    cfg = load(leaf)
    assert cfg.val_cfg.type == 'MultiTargetValLoop'
    assert cfg.test_cfg.type == 'MultiTargetTestLoop'
    for loop in (cfg.val_cfg, cfg.test_cfg):
        assert loop.get('own_heads', False) == (method_of(leaf) == 'warm_up')
