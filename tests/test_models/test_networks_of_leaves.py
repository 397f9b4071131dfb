"""The networks that leaf configs swap in, stepped on small images."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from tiny_models import batch

from mmuda.registry import MODELS

CONFIGS = Path(__file__).parents[2] / 'configs' / 'advent'


def step(leaf, **backbone):
    cfg = Config.fromfile(CONFIGS / f'{leaf}.py')
    cfg.model.segmentor.backbone.init_cfg = None
    cfg.model.segmentor.backbone.update(backbone)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).train()
    before = {k: v.clone() for k, v in model.named_parameters()}
    # two images: image pooling normalises over one value an image
    data = batch(2, source_size=(64, 96), target_size=(64, 64))
    optimizers = build_optim_wrapper(model, cfg.optim_wrapper)
    logs = model.train_step(data, optimizers)
    moved = {
        name.split('.')[1]
        for name, value in model.named_parameters()
        if not torch.equal(value, before[name])
    }
    return logs, moved


@pytest.mark.parametrize(
    ('leaf', 'backbone', 'parts'),
    [
        ('advent_segformer_mit-b0_gta2cs', {}, {'backbone', 'decode_head'}),
        (
            'advent_segformer_mit-b5_gta2cs',
            dict(num_layers=[1, 1, 1, 1]),
            {'backbone', 'decode_head'},
        ),
        (
            'advent_deeplabv3plus_r101_gta2cs',
            dict(depth=50),
            {'backbone', 'decode_head', 'auxiliary_head'},
        ),
        ('advent_vgg16_gta2cs', {}, {'backbone', 'decode_head'}),
    ],
)
def test_one_step_moves_every_part(leaf, backbone, parts):
    logs, moved = step(leaf, **backbone)
    assert all(value.isfinite() for value in logs.values())
    assert moved == parts | {'levels'}  # of the discriminator
