"""A step of every leaf with the batch and the heads it has."""

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from small_leaves import LEAVES, batch_of, load, shape_of, small_model

# One leaf of each kind; test_every_leaf has all.
KINDS = {shape_of(leaf): leaf for leaf in LEAVES}


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


@pytest.mark.parametrize('leaf', sorted(KINDS.values()))
def test_each_kind_of_leaf(leaf):
    require_step(leaf)


@pytest.mark.slow
@pytest.mark.parametrize('leaf', sorted({*LEAVES} - {*KINDS.values()}))
def test_every_leaf(leaf):
    require_step(leaf)
