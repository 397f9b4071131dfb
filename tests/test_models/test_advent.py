"""AdvEnt against a plain-torch loop, and its invariants."""

import copy
import math

import torch
import torch.nn.functional as F
from mmengine.optim import build_optim_wrapper
from tiny_models import (
    batch,
    logits_of,
    model_config,
    optim_config,
    segmentor_config,
)

from mmuda.registry import MODELS


def build(seed=0, **kwargs):
    torch.manual_seed(seed)
    model = MODELS.build(model_config('AdvEnt', **kwargs))
    model.init_weights()
    return model.train()


def with_optimizers(model, **wrapper):
    return build_optim_wrapper(model, optim_config('AdvEnt', **wrapper))


def information(logits, size):
    logits = F.interpolate(logits, size, mode='bilinear', align_corners=True)
    p = logits.softmax(1)
    return -p * torch.log2(p + 1e-30) / math.log2(logits.shape[1])


def bce(decision, label):
    return F.binary_cross_entropy_with_logits(
        decision, torch.full_like(decision, label)
    )


def reference_step(model, data, segmentor_sgd, discriminator_adam):
    """One iteration of AdvEnt as the paper has it, in plain torch."""
    data = model.data_preprocessor(copy.deepcopy(data), True)
    x_s, x_t = data.source.images, data.targets['target'].images
    y = data.source.labels
    weights = {'decode': (1.0, 0.1), 'aux': (0.1, 0.02)}
    z_s, z_t = logits_of(model.segmentor, x_s), logits_of(model.segmentor, x_t)
    d_t = model.discriminator(
        {h: information(z_t[h], x_t.shape[2:]) for h in weights}
    )
    loss = 0
    for head, (seg, adv) in weights.items():
        up = F.interpolate(
            z_s[head], x_s.shape[2:], mode='bilinear', align_corners=True
        )
        loss += seg * F.cross_entropy(up, y) + adv * bce(d_t[head], 0.0)
    segmentor_sgd.zero_grad()
    loss.backward()
    discriminator_adam.zero_grad()
    d_loss = 0
    for logits, x, label in ((z_s, x_s, 0.0), (z_t, x_t, 1.0)):
        maps = {
            h: information(logits[h].detach(), x.shape[2:]) for h in weights
        }
        d_loss += sum(
            0.5 * bce(d, label) for d in model.discriminator(maps).values()
        )
    d_loss.backward()
    segmentor_sgd.step()
    discriminator_adam.step()


def reference_optimizers(model):
    heads = [
        p for n, p in model.segmentor.named_parameters() if 'decode_head' in n
    ]
    rest = [
        p
        for n, p in model.segmentor.named_parameters()
        if 'decode_head' not in n and p.requires_grad
    ]
    return torch.optim.SGD(
        [dict(params=rest), dict(params=heads, lr=0.2)],
        lr=0.02,
        momentum=0.9,
        weight_decay=5e-4,
    ), torch.optim.Adam(
        model.discriminator.parameters(), lr=1e-3, betas=(0.9, 0.99)
    )


def test_two_iterations_equal_a_plain_torch_loop():
    ours, reference = build(), build()
    wrappers = with_optimizers(ours)
    optimizers = reference_optimizers(reference)
    for seed in range(2):
        ours.train_step(batch(seed=seed), wrappers)
        reference_step(reference, batch(seed=seed), *optimizers)
    for (name, a), b in zip(
        ours.state_dict().items(),
        reference.state_dict().values(),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6, msg=name)


def test_accumulating_two_half_batches_equals_one_step_on_their_mean():
    """Plain SGD, frozen statistics: gradients must simply average."""
    changes = dict(optimizer=dict(type='SGD', lr=0.1), paramwise_cfg=None)
    results = []
    for counts, batches in ((1, [batch(2)]), (2, _halves(batch(2)))):
        model = build(segmentor=segmentor_config(norm_eval=True))
        wrappers = with_optimizers(
            model, accumulative_counts=counts, **changes
        )
        wrappers.initialize_count_status(model, 0, len(batches))
        for data in batches:
            model.train_step(data, wrappers)
        results.append(model.state_dict())
    for name, value in results[0].items():
        torch.testing.assert_close(
            value, results[1][name], rtol=1e-4, atol=1e-6, msg=name
        )


def _halves(data):
    return [
        {
            key: {domain: [items[i]] for domain, items in value.items()}
            for key, value in data.items()
        }
        for i in range(2)
    ]


def test_accumulation_does_not_step_before_its_count():
    model = build()
    wrappers = with_optimizers(model, accumulative_counts=2)
    wrappers.initialize_count_status(model, 0, 4)
    before = copy.deepcopy(dict(model.named_parameters()))
    model.train_step(batch(), wrappers)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]), name


def test_discriminator_has_no_gradient_from_fooling():
    model = build()
    data = model.data_preprocessor(batch(), True)
    losses = model.losses_on(data.targets['target'], {})
    sum(losses.values()).backward()
    assert all(p.grad is None for p in model.discriminator.parameters())


def test_segmentor_has_no_gradient_from_the_discriminator_loss():
    model = build()
    data = model.data_preprocessor(batch(), True)
    seen = {}
    model.losses_on(data.source, seen)
    seen['target'] = seen['source']
    _, losses = next(model.discriminator_steps(data, seen))
    sum(losses.values()).backward()
    assert all(p.grad is None for p in model.segmentor.parameters())


def test_discriminator_is_trainable_again_after_a_step():
    model = build()
    model.train_step(batch(), with_optimizers(model))
    assert all(p.requires_grad for p in model.discriminator.parameters())


def test_every_loss_of_every_player_is_logged_by_name():
    model = build()
    logs = model.train_step(batch(), with_optimizers(model))
    assert [k for k in logs if 'loss' in k] == [
        'loss.segmentor',
        'loss.discriminator',
        'source.decode.loss_ce',
        'source.aux.loss_ce',
        'target.decode.loss_adversarial',
        'target.aux.loss_adversarial',
        'discriminator.decode.loss_source',
        'discriminator.aux.loss_source',
        'discriminator.decode.loss_target',
        'discriminator.aux.loss_target',
    ]


def test_logged_discriminator_loss_is_the_whole_one():
    model = build()
    logs = model.train_step(batch(), with_optimizers(model))
    parts = [v for k, v in logs.items() if k.startswith('discriminator.')]
    assert len(parts) == 4
    torch.testing.assert_close(logs['loss.discriminator'], sum(parts))


def test_logs_hold_no_graph():
    model = build()
    logs = model.train_step(batch(), with_optimizers(model))
    assert not any(value.requires_grad for value in logs.values())
