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
    'advent/advent_efficientnet-lite0_idda2cs256.py',
    'advent/minent_carla2camvid.py',
    'advent/minent_synthia2cs.py',
    'cotraining/cotraining_baseline_synthia2cs.py',
    'cotraining/cotraining_final_deeplabv2_gta2cs.py',
    'cotraining/cotraining_gta2cs.py',
    'daformer/daformer_cs2acdc.py',
    'daformer/daformer_deeplabv2_gta2cs.py',
    'daformer/daformer_urban2rural.py',
    'demo/demo_ccl_g2ci.py',
    'demo/demo_coast_g2ci.py',
    'demo/demo_mlcl_g2ci.py',
    'demo/demo_mtkt_g2ci.py',
    'hrda/hrda_efficientnet-lite0_idda2cs256.py',
    'hrda/source_only_hrda_gta2cs.py',
    'mic/mic_cs2darkzurich.py',
    'mic/mic_advent_efficientnet-lite0_idda2cs256.py',
    'mic/mic_dacs_efficientnet-lite0_idda2cs256.py',
    'mic/mic_hrda_efficientnet-lite0_idda2cs256.py',
    'mic/mic_hrda_deeplabv2_gta2cs.py',
    'mic/mic_minent_gta2cs.py',
    'mtda/multi_dis_deeplabv2-r101_g2cmi.py',
    'demo/demo_source_only_gta2cs.py',
    'demo/demo_warm_up_g2ci.py',
    'esl/esl_without_adversarial_gta2cs.py',
    'esl/ssl_synthia2cs.py',
    'vfm/mic_hrda_dinov2-b_gta2cs.py',
    'vfm/mic_hrda_dinov3-b_gta2cs.py',
    'vfm/source_only_vfm_rein_dinov2-l_gta2cs.py',
    'vfm/vfm_uda_gta2cs.py',
    'vfm/vfm_uda_layer_decay_gta2cs.py',
    'mtda/advent_deeplabv2-r101_g2cmi_19.py',
    'mtda/coast_aspp-r101_m2ci.py',
    'mtda/mtkt_deeplabv2-r101_m2ci.py',
    'mtda/advent_deeplabv2-r101_m2i.py',
    'mtda/warm_up_aspp-mit-b5_g2ci_960x480.py',
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
    assert len(LEAVES) >= 114


@pytest.mark.parametrize('leaf', KINDS)
def test_each_kind_of_leaf(leaf):
    require_step(leaf)


@pytest.mark.slow
@pytest.mark.parametrize('leaf', sorted({*LEAVES} - {*KINDS}))
def test_every_leaf(leaf):
    require_step(leaf)
