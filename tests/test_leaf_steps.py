"""A step of every leaf with the batch and the heads it has."""

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from small_leaves import LEAVES, batch_of, load, small_model

# Each method, backbone, head and size of a batch; test_every_leaf has all.
KINDS = [
    'advent/advent_deeplabv3plus_r101_gta2cs.py',
    'advent/advent_segformer_mit-b5_gta2cs.py',
    'advent/advent_vgg16_gta2cs.py',
    'advent/minent_carla2camvid.py',
    'advent/minent_synthia2cs.py',
    'cotraining/baseline/synthia2cs.py',
    'cotraining/final/gta2cs_deeplabv2.py',
    'cotraining/gta2cs.py',
    'demo/ccl_g2ci.py',
    'demo/coast_g2ci.py',
    'demo/mlcl_g2ci.py',
    'demo/mtkt_g2ci.py',
    'demo/multi_dis_g2cmi.py',
    'demo/source_only_gta2cs.py',
    'demo/warm_up_g2ci.py',
    'esl/esl_without_adversarial_gta2cs.py',
    'esl/ssl_synthia2cs.py',
    'mtda/baseline/g2cmi_19.py',
    'mtda/coast/m2ci.py',
    'mtda/mtkt/m2ci.py',
    'mtda/single/m2i.py',
    'mtda/warm_up/g2ci_segformer_mit-b5.py',
]


def step(leaf):
    cfg = load(leaf)
    model = small_model(leaf)
    if hasattr(model, 'warmup_iters'):
        # The step that adapts; it has the one on the source in it.
        model.warmup_iters = 0
    before = {k: v.clone() for k, v in model.named_parameters()}
    optimizers = build_optim_wrapper(model, cfg.optim_wrapper)
    logs = model.train_step(batch_of(leaf), optimizers)
    moved = [
        name
        for name, value in model.segmentor.named_parameters()
        if not torch.equal(value, before[f'segmentor.{name}'])
    ]
    return logs, moved


def require_step(leaf):
    logs, moved = step(leaf)
    losses = {name: value for name, value in logs.items() if 'loss' in name}
    assert losses
    assert all(value.isfinite() for value in losses.values())
    assert moved


def test_there_are_leaves():
    assert len(LEAVES) >= 194
    assert {*KINDS} <= {*LEAVES}


@pytest.mark.parametrize('leaf', KINDS)
def test_each_kind_of_leaf(leaf):
    require_step(leaf)


@pytest.mark.slow
@pytest.mark.parametrize('leaf', sorted({*LEAVES} - {*KINDS}))
def test_every_leaf(leaf):
    require_step(leaf)
