"""What AdvEnt does when its options are not the usual ones."""

import copy

import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import build_optim_wrapper
from mmengine.structures import PixelData
from tiny_models import batch, model_config, optim_config

from mmuda.models.losses import entropy_loss, self_information
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError, DataError


def build(**kwargs):
    torch.manual_seed(0)
    model = MODELS.build(model_config('AdvEnt', **kwargs))
    model.init_weights()
    return model.train()


def train_step(model, data=None):
    wrappers = build_optim_wrapper(model, optim_config('AdvEnt'))
    return model.train_step(data or batch(), wrappers)


def on_target(model, data=None):
    """Losses and logits on the target, and the target's images."""
    target = model.data_preprocessor(data or batch(), True).targets['target']
    seen = {}
    losses = model.losses_on(target, seen)
    return losses, seen['target'], target.images


def test_single_level_leaves_the_auxiliary_discriminator_out():
    logs = train_step(build(two_heads=False))
    assert not any('aux' in key for key in logs)


def test_additional_entropy_loss_is_weighted_entropy():
    model = build(entropy_weights=dict(decode=0.5))
    losses, logits, images = on_target(model)
    expected = 0.5 * entropy_loss(model.upsample(logits['decode'], images))
    torch.testing.assert_close(
        losses['target.decode.loss_entropy'].detach(), expected
    )


def test_pseudo_labels_add_weighted_cross_entropy():
    model = build(pseudo_label_weight=0.5)
    data = batch()
    label = torch.full((1, 33, 41), 255)
    label[:, :10] = 2
    data['data_samples']['target'][0].set_data(
        dict(pseudo_sem_seg=PixelData(data=label))
    )
    losses, logits, images = on_target(model, data)
    up = model.upsample(logits['decode'], images)
    expected = 0.5 * F.cross_entropy(up, label, ignore_index=255)
    torch.testing.assert_close(
        losses['target.decode.loss_ce_pseudo'].detach(), expected
    )


def test_missing_pseudo_labels_are_an_error():
    with pytest.raises(DataError, match='LoadPseudoLabels'):
        train_step(build(pseudo_label_weight=0.5))


def test_warm_up_leaves_the_discriminator_alone():
    model = build(warmup_iters=1)
    before = copy.deepcopy(model.discriminator.state_dict())
    logs = train_step(model)
    assert 'loss.discriminator' not in logs
    for name, value in model.discriminator.state_dict().items():
        assert torch.equal(value, before[name]), name


def decision_on(model, logits, images):
    maps = {
        head: self_information(model.upsample(values, images))
        for head, values in logits.items()
    }
    return model.discriminator(maps)['decode'].detach()


def test_least_squares_fools_by_the_squared_distance_from_source():
    model = build(gan='least_squares')
    losses, logits, images = on_target(model)
    decision = decision_on(model, logits, images)
    torch.testing.assert_close(
        losses['target.decode.loss_adversarial'].detach(),
        0.1 * decision.square().mean(),
    )


def test_least_squares_trains_the_discriminator_by_squared_distances():
    model = build(gan='least_squares')
    _, logits, images = on_target(model)
    data = model.data_preprocessor(batch(), True)
    seen = dict(source=logits, target=logits)
    _, (_, losses) = model.discriminator_steps(data, seen)
    decision = decision_on(model, logits, images)
    torch.testing.assert_close(
        losses['discriminator.decode.loss_target'].detach(),
        0.5 * (decision - 1).square().mean(),
    )


def test_unknown_gan_is_refused():
    with pytest.raises(ConfigError, match='gan'):
        build(gan='hinge')


def test_levels_that_are_not_the_heads_are_refused():
    config = model_config('AdvEnt')
    config['discriminator']['levels'] = ['decode']
    with pytest.raises(ConfigError, match='levels'):
        MODELS.build(config)


def test_unknown_head_is_refused():
    with pytest.raises(ConfigError, match="no head 'auxiliary'"):
        build(entropy_weights=dict(auxiliary=1.0))


def test_two_targets_are_both_adapted_to():
    data = batch()
    for part in data.values():
        part['idd'] = part.pop('target')
        part['mapillary'] = copy.deepcopy(part['idd'])
    assert {
        'idd.decode.loss_adversarial',
        'mapillary.aux.loss_adversarial',
        'discriminator.decode.loss_idd',
        'discriminator.aux.loss_mapillary',
    } <= set(train_step(build(), data))
