"""Three training steps against the published implementation, in float64."""

from pathlib import Path

import golden_inputs
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmuda.convert import (
    discriminator_from_published,
    discriminator_to_published,
    segmentor_from_published,
    segmentor_to_published,
)
from mmuda.registry import MODELS

CONFIGS = Path(__file__).parents[2] / 'configs'
BLOCKS = golden_inputs.STAGE_BLOCKS
LEVELS = {'d_main': 'decode', 'd_aux': 'aux'}
RELATIVE = 1e-7


def build(method):
    leaf = Config.fromfile(CONFIGS / 'advent' / f'{method}_gta2cs.py')
    backbone = dict(stage_blocks=BLOCKS, init_cfg=None)
    leaf.merge_from_dict(dict(model=dict(segmentor=dict(backbone=backbone))))
    leaf.model.pop('data_preprocessor')  # the goldens are preprocessed
    model = MODELS.build(leaf.model).double()
    model.load_state_dict(published_weights(method), strict=False)
    return model.train(), leaf


def published_weights(method):
    state = segmentor_from_published(
        golden_inputs.network_state_dict(), stage_blocks=BLOCKS
    )
    if method == 'advent':
        for name, level in LEVELS.items():
            state |= discriminator_from_published(
                golden_inputs.discriminator_state_dict(name), level
            )
    return state


def batch(i):
    label = SegDataSample(metainfo=dict(img_shape=(65, 97)))
    label.gt_sem_seg = PixelData(data=golden_inputs.source_label(i))
    return dict(
        inputs=dict(
            source=golden_inputs.source_image(i),
            target=golden_inputs.target_image(i),
        ),
        data_samples=dict(source=[label], target=[SegDataSample()]),
    )


def train(method):
    """Logs of three steps and the weights, by published name."""
    model, config = build(method)
    wrappers = build_optim_wrapper(model, config.optim_wrapper)
    schedulers = [
        PARAM_SCHEDULERS.build(dict(optimizer=wrapper, **schedule))
        for wrapper in wrappers.values()
        for schedule in config.param_scheduler
    ]
    logs = []
    for i in range(3):
        logs.append(model.train_step(batch(i), wrappers))
        for scheduler in schedulers:
            scheduler.step()
    return logs, in_published_names(method, model.state_dict())


def in_published_names(method, state):
    named = {
        f'net.{name}': value
        for name, value in segmentor_to_published(
            state, stage_blocks=BLOCKS
        ).items()
    }
    if method == 'advent':
        for prefix, level in LEVELS.items():
            part = discriminator_to_published(state, level)
            named |= {f'{prefix}.{name}': v for name, v in part.items()}
    return named


@pytest.fixture(scope='module')
def runs():
    from mmuda.utils.setup_env import register_all_modules

    register_all_modules()
    return {method: train(method) for method in ('advent', 'minent')}


# golden name -> our name and the weight that we log it with
COMMON = {
    'seg_src_main': ('source.decode.loss_ce', 1.0),
    'seg_src_aux': ('source.aux.loss_ce', 0.1),
}
LOGS = {
    'advent': COMMON
    | {
        'adv_trg_main': ('target.decode.loss_adversarial', 1e-3),
        'adv_trg_aux': ('target.aux.loss_adversarial', 2e-4),
        # the reference logs the target's half only
        'd_main': ('discriminator.decode.loss_target', 1.0),
        'd_aux': ('discriminator.aux.loss_target', 1.0),
    },
    'minent': COMMON
    | {
        'ent_main': ('target.decode.loss_entropy', 1e-3),
        'ent_aux': ('target.aux.loss_entropy', 2e-4),
    },
}


@pytest.mark.parametrize(
    ('method', 'name'), [(m, name) for m in LOGS for name in LOGS[m]]
)
def test_losses_equal_the_published_ones(runs, method, name):
    goldens = golden_inputs.load_goldens(f'{method}_3steps_s0')
    key, weight = LOGS[method][name]
    ours = torch.stack([log[key] / weight for log in runs[method][0]])
    torch.testing.assert_close(
        ours, goldens[f'log_loss_{name}'], rtol=RELATIVE, atol=0
    )


@pytest.mark.parametrize('method', ['advent', 'minent'])
def test_every_tensor_has_the_published_sum(runs, method):
    goldens = golden_inputs.load_goldens(f'{method}_3steps_s0')
    after = runs[method][1]
    names = [key[4:] for key in goldens if key.startswith('sum_')]
    assert len(names) >= 100
    for name in names:
        # sums of values of both signs cancel: judge by the values' size
        size = after[name].abs().sum().item()
        torch.testing.assert_close(
            after[name].sum(),
            goldens[f'sum_{name}'].squeeze(),
            rtol=0,
            atol=RELATIVE * size,
            msg=name,
        )


@pytest.mark.parametrize('method', ['advent', 'minent'])
def test_every_tensor_moved_as_far_as_published(runs, method):
    goldens = golden_inputs.load_goldens(f'{method}_3steps_s0')
    before = in_published_names(method, published_weights(method))
    after = runs[method][1]
    for key, expected in goldens.items():
        if not key.startswith('moved_'):
            continue
        name = key[6:]
        torch.testing.assert_close(
            (after[name] - before[name]).norm(),
            expected.squeeze(),
            rtol=RELATIVE,
            atol=1e-12,
            msg=name,
        )
