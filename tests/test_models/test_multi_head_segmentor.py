"""Views, the ensemble head and checkpoints of MultiHeadEncoderDecoder."""

import copy

import pytest
import torch
from collaborative_models import build
from several_targets import NAMES, multi_head_config
from tiny_models import NUM_CLASSES, logits_of

from mmuda.models.segmentors import View
from mmuda.models.segmentors.recompute import constant_statistics
from mmuda.models.style import channel_statistics
from mmuda.registry import MODELS
from mmuda.utils.errors import CheckpointError, ConfigError

STYLED = dict(style_layers=['layer1', 'layer2'])


def segmentor(count=2, **options):
    torch.manual_seed(0)
    built = MODELS.build(multi_head_config(count, **options))
    built.init_weights()
    return built.train()


def images(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, 3, 33, 41, generator=generator)


def test_a_view_gives_the_heads_that_are_asked_for():
    net = segmentor().eval()
    seen = net(View(images(), ('oslo.decode', 'decode')))
    assert list(seen.logits) == ['oslo.decode', 'decode']
    for name, logits in logits_of(net, images()).items():
        if name in seen.logits:
            assert torch.equal(seen.logits[name], logits)


def test_a_view_reads_the_style_of_each_block():
    net = segmentor(**STYLED).eval()
    style = net(View(images(), ('decode',))).style
    features = net.backbone.maxpool(
        net.backbone.relu(net.backbone.norm1(net.backbone.conv1(images())))
    )
    expected = channel_statistics(net.backbone.layer1[0](features))
    assert len(style) == 4
    torch.testing.assert_close(style[0], expected)


def test_features_get_the_style_of_a_view():
    net = segmentor(**STYLED).eval()
    style = net(View(images(1), ('decode',))).style
    found = []
    net.backbone.layer2[-1].register_forward_hook(
        lambda _, __, out: found.append(channel_statistics(out))
    )
    # Registered first, so it sees what the block itself gives; the layer
    # after it sees the swapped features.
    net.backbone.layer3[0].register_forward_pre_hook(
        lambda _, args: found.append(channel_statistics(args[0]))
    )
    net(View(images(), ('decode',), style))
    torch.testing.assert_close(found[-1].mean, style[-1].mean)
    assert not torch.allclose(found[0].mean, style[-1].mean)


def test_its_own_style_changes_nothing():
    net = segmentor(**STYLED).eval()
    plain = net(View(images(), ('decode',)))
    again = net(View(images(), ('decode',), plain.style))
    torch.testing.assert_close(
        again.logits['decode'], plain.logits['decode'], rtol=1e-3, atol=1e-4
    )


def forward_hooks(net):
    """Norms keep some of their own, for maps of one value."""
    return [list(module._forward_hooks) for module in net.backbone.modules()]


def test_no_hook_stays_behind():
    net = segmentor(**STYLED)
    before = forward_hooks(net)
    net(View(images(), ('decode',)))
    assert forward_hooks(net) == before


def test_places_of_the_ensemble_do_not_depend_on_the_order_of_views():
    net = segmentor(ensemble=True).eval()
    views = {
        name: View(images(seed), (f'{name}.decode',))
        for seed, name in enumerate(NAMES[:2])
    }
    turned = dict(reversed(views.items()))
    first, second = (net(v).logits['ensemble'] for v in (views, turned))
    assert torch.equal(first, second)


def test_the_ensemble_predicts_from_one_image():
    net = segmentor(ensemble=True, predict_head='ensemble').eval()
    view = {name: View(images(), ()) for name in NAMES[:2]}
    torch.testing.assert_close(
        net.predict_logits(images()), net(view).logits['ensemble']
    )


def test_width_of_the_ensemble_head():
    net = segmentor(3, ensemble=True)
    assert net.ensemble_head.in_channels == 3 * net.decode_head.in_channels


def gradients(net, view):
    net.zero_grad()
    net(view).logits['decode'].square().sum().backward()
    return {n: p.grad for n, p in net.backbone.named_parameters()}


@pytest.mark.parametrize('style', [False, True])
def test_recomputed_features_have_the_same_gradients(style):
    net = segmentor(**STYLED)
    style = net(View(images(1), ('decode',))).style if style else ()
    view = View(images(), ('decode',), style)
    expected = gradients(net, view)
    net.recompute_features = True
    for name, gradient in gradients(net, view).items():
        if gradient is not None:
            torch.testing.assert_close(gradient, expected[name], msg=name)


def test_recomputing_counts_a_batch_once():
    states = []
    for recompute in (False, True):
        net = segmentor(recompute_features=recompute)
        gradients(net, View(images(), ('decode',)))
        states.append(dict(net.named_buffers()))
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, msg=name)


def test_constant_statistics_still_normalise_by_the_batch():
    norm = torch.nn.BatchNorm2d(3)
    before = copy.deepcopy(norm.state_dict())
    with constant_statistics(norm):
        out = norm(5 + 2 * torch.randn(4, 3, 8, 8))
    assert out.mean().abs() < 1e-4
    for name, value in norm.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert norm.momentum == 0.1


def loaded(model, state):
    model.load_state_dict(state, strict=False)
    return model.segmentor


def started(model, state):
    model.prepare_start(state)
    return loaded(model, state)


ONE_LEVEL = dict(
    segmentor=dict(auxiliary_head=None),
    adversarial_weights=dict(decode=0.1),
    discriminator=dict(
        type='MultiLevelDiscriminator',
        levels=['decode'],
        in_channels=NUM_CLASSES,
        base_channels=4,
    ),
)


def test_a_plain_checkpoint_starts_the_heads_of_all_targets():
    plain = build('MultiDis', **ONE_LEVEL).segmentor.state_dict()
    state = {f'segmentor.{name}': value + 1 for name, value in plain.items()}
    net = started(build('CoaST'), state)
    for name, value in net.decode_head.state_dict().items():
        for target in NAMES[:2]:
            own = net.target_heads[target]['decode'].state_dict()[name]
            assert torch.equal(own, value)


def test_a_warm_up_starts_all_but_the_ensemble():
    warm_up = build('MultiHeadAdvEnt', **ONE_LEVEL)
    with torch.no_grad():
        for parameter in warm_up.parameters():
            parameter.add_(1.0)
    model = build('MLCL')
    ensemble = copy.deepcopy(model.segmentor.ensemble_head.state_dict())
    net = started(model, warm_up.state_dict())
    trained = warm_up.segmentor.state_dict()
    for name, value in net.state_dict().items():
        start = name.removeprefix('ensemble_head.')
        expected = ensemble[start] if start != name else trained[name]
        assert torch.equal(value, expected), name


@pytest.mark.parametrize('method', ['CoaST', 'MLCL'])
def test_a_published_warm_up_has_no_agnostic_head(method):
    state = build('MultiHeadAdvEnt', **ONE_LEVEL).state_dict()
    state = {k: v for k, v in state.items() if '.decode_head.' not in k}
    model = build(method)
    before = copy.deepcopy(model.segmentor.decode_head.state_dict())
    net = started(model, dict(state))
    for name, value in net.decode_head.state_dict().items():
        assert torch.equal(value, before[name]), name
    own = 'target_heads.rome.decode.conv_seg.weight'
    assert torch.equal(net.state_dict()[own], state[f'segmentor.{own}'])


@pytest.mark.parametrize(
    ('method', 'head'),
    [
        ('MTKT', 'decode_head.'),
        ('MTKT', 'auxiliary_head.'),
        ('MTKT', 'target_heads.'),
        ('CoaST', 'decode_head.'),
        ('CoaST', 'target_heads.'),
        ('MLCL', 'target_heads.'),
        ('MLCL', 'ensemble_head.'),
    ],
)
def test_a_network_that_predicts_needs_all_its_heads(method, head):
    """Only a training may start with new ones."""
    model = build(method)
    whole = model.state_dict()
    state = {k: v for k, v in whole.items() if f'segmentor.{head}' not in k}
    assert len(state) < len(whole)
    with pytest.raises(CheckpointError, match=f'missing .*{head}'):
        loaded(model, state)


def test_a_plain_network_needs_its_head():
    state = build('MultiDis', **ONE_LEVEL).state_dict()
    state = {k: v for k, v in state.items() if '.decode_head.' not in k}
    with pytest.raises(CheckpointError, match='are missing'):
        started(build('CoaST'), state)


def test_heads_of_other_targets_are_refused():
    state = build('CoaST', 3).state_dict()
    with pytest.raises(CheckpointError, match='lima'):
        started(build('CoaST', 2), state)


def test_a_target_named_twice_is_refused():
    with pytest.raises(ConfigError, match='names a target twice'):
        MODELS.build(multi_head_config(2) | dict(targets=['rome', 'rome']))


def test_a_head_can_be_chosen_later():
    net = segmentor()
    net.predict_head = 'oslo.decode'
    with pytest.raises(ConfigError, match="no 'paris.decode'"):
        net.predict_head = 'paris.decode'
    assert net.predict_head == 'oslo.decode'
