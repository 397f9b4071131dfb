"""Networks and schedules of the co-training procedure's configs."""

from pathlib import Path

import pytest
import torch
from cotraining_models import batch
from mmengine.config import Config
from mmengine.optim import OptimWrapper, build_optim_wrapper

from mmuda.registry import MODELS, PARAM_SCHEDULERS
from mmuda.utils.config_model import fill_model

BASE = Path(__file__).parents[2] / 'configs' / '_base_'
NETWORKS = sorted(
    path.stem for path in BASE.glob('networks/deeplabv3plus_detectron2_*.py')
)
LENGTHS = {
    'cotraining': 60000,
    'cotraining_45k': 45000,
    'cotraining_cycle': 8000,
}


def schedule(name='cotraining'):
    return Config.fromfile(BASE / 'schedules' / f'{name}.py')


def build(network):
    model = Config.fromfile(BASE / 'networks' / f'{network}.py').network
    fill_model(model, num_classes=19, targets=[])
    backbone = model.segmentor.backbone
    backbone.init_cfg = None
    if backbone.get('depth') == 101:
        backbone.depth = 50  # same names, half the time
    torch.manual_seed(0)
    return MODELS.build(model | dict(type='CoTraining')).train()


def test_there_are_three_networks():
    assert len(NETWORKS) == 3


@pytest.mark.parametrize('network', NETWORKS)
def test_hardest_pixels_are_the_only_loss(network):
    heads = build(network).segmentor.heads()
    assert list(heads) == ['decode']
    # The settings of the small one weigh classes instead.
    portion = 1.0 if network.endswith('lite0') else 0.2
    assert heads['decode'].loss_decode.portion == portion


@pytest.mark.parametrize('network', NETWORKS)
def test_one_step_moves_every_part(network):
    model = build(network)
    before = {k: v.clone() for k, v in model.named_parameters()}
    optimizers = build_optim_wrapper(model, schedule().optim_wrapper)
    logs = model.train_step(batch(1, 1), optimizers)
    moved = {
        name.split('.')[1]
        for name, value in model.named_parameters()
        if not torch.equal(value, before[name])
    }
    assert logs['decode.loss_ce'].isfinite()
    assert moved == {'backbone', 'decode_head'}


def test_published_network_has_output_stride_16():
    model = build('deeplabv3plus_detectron2_r101').eval()
    with torch.no_grad():
        low, high = model.segmentor.extract_feat(torch.zeros(1, 3, 64, 128))
    assert low.shape == (1, 256, 16, 32)
    assert high.shape == (1, 2048, 4, 8)


def test_last_stage_has_twice_the_grid():
    stage = build('deeplabv3plus_detectron2_r101').segmentor.backbone.layer4
    assert [block.conv2.dilation[0] for block in stage] == [2, 4, 8]


def test_norm_layers_have_no_weight_decay():
    model = build('deeplabv3plus_detectron2_r18_small')
    wrapper = build_optim_wrapper(model, schedule().optim_wrapper)
    decays = {
        id(p): group['weight_decay']
        for group in wrapper['segmentor'].param_groups
        for p in group['params']
    }
    for module in model.segmentor.modules():
        norm = isinstance(module, torch.nn.BatchNorm2d)
        for parameter in module.parameters(recurse=False):
            assert decays[id(parameter)] == (0 if norm else 1e-4)


def rates(name, iterations):
    """Learning rate of each iteration."""
    cfg = schedule(name)
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.002)
    wrapper = OptimWrapper(optimizer)
    schedulers = [
        PARAM_SCHEDULERS.build(scheduler, default_args=dict(optimizer=wrapper))
        for scheduler in cfg.param_scheduler
    ]
    found = []
    for _ in range(iterations):
        found.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    return found


@pytest.mark.parametrize('name', LENGTHS)
def test_rate_warms_up_and_decays(name):
    found, length = rates(name, 8000), LENGTHS[name]
    for i in (0, 1, 500, 999, 1000, 1001, 4000, 7999):
        warm_up = 1e-3 + (1 - 1e-3) * min(1, i / 1000)
        expected = 0.002 * warm_up * (1 - i / length) ** 0.9
        assert found[i] == pytest.approx(expected, rel=1e-6), i


@pytest.mark.parametrize('name', LENGTHS)
def test_training_is_as_long_as_its_schedule(name):
    cfg = schedule(name)
    assert cfg.train_cfg.max_iters == LENGTHS[name]
    assert cfg.param_scheduler[1].end == LENGTHS[name] + 1
    assert cfg.train_cfg.max_iters % cfg.train_cfg.val_interval == 0
