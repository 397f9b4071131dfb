"""Loss scaling and 16 bits on the CPU."""

import copy

import pytest
import torch
from mmengine.optim import OptimWrapper, build_optim_wrapper
from tiny_models import batch, model_config, optim_config, segmentor_config

from mmuda.engine import MixedPrecisionOptimWrapper
from mmuda.models.batch import Batch
from mmuda.models.decode_heads import DLV2Head
from mmuda.models.losses import entropy_losses
from mmuda.models.segmentors.precise_layers import (
    first_layers,
    last_layers,
)
from mmuda.registry import MODELS, OPTIM_WRAPPERS
from mmuda.utils.mixed_precision import lay_out
from mmuda.utils.setup_env import register_all_modules

BF16 = dict(type='MixedPrecisionOptimWrapper', precision='bf16')
FP16 = dict(BF16, precision='fp16', loss_scale=2.0**10)


@OPTIM_WRAPPERS.register_module(force=True)
class ScalingOptimWrapper(MixedPrecisionOptimWrapper):
    """Scales losses by 1024, in single precision."""

    def __init__(self, **kwargs):
        super().__init__('fp16', loss_scale=2.0**10, **kwargs)

    def optim_context(self, model):
        return OptimWrapper.optim_context(self, model)


SCALED = dict(type='ScalingOptimWrapper')


def build(method='AdvEnt', **kwargs):
    register_all_modules()
    torch.manual_seed(0)
    model = MODELS.build(model_config(method, **kwargs))
    model.init_weights()
    return model.train()


def train(iterations=2, method='AdvEnt', **wrapper):
    model = build(method)
    wrappers = build_optim_wrapper(model, optim_config(method, **wrapper))
    logs = [
        model.train_step(batch(seed=i), wrappers) for i in range(iterations)
    ]
    return model.state_dict(), logs


def test_scaled_losses_give_the_same_weights():
    plain, _ = train()
    scaled, _ = train(**SCALED)
    for name, value in plain.items():
        torch.testing.assert_close(
            value, scaled[name], rtol=1e-4, atol=1e-5, msg=name
        )


def test_clipping_sees_unscaled_gradients():
    clip = dict(clip_grad=dict(max_norm=0.5))
    plain, _ = train(**clip)
    scaled, _ = train(**SCALED, **clip)
    for name, value in plain.items():
        torch.testing.assert_close(
            value, scaled[name], rtol=1e-4, atol=1e-5, msg=name
        )


def test_bfloat16_losses_stay_near_those_of_single_precision():
    _, plain = train(1)
    _, half = train(1, **BF16)
    for name, value in plain[0].items():
        if 'loss' in name:
            assert half[0][name].item() == pytest.approx(
                value.item(), rel=0.05
            ), name


def test_bfloat16_losses_are_computed_in_single_precision():
    _, logs = train(1, **BF16)
    kept = {name: v.dtype for name, v in logs[0].items() if 'loss' in name}
    assert set(kept.values()) == {torch.float32}


def gradients(model):
    return {
        name: parameter.grad
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }


def autocast_gradients(data):
    """Of MinEnt's losses, written out, in plain PyTorch."""
    model = build('MinEnt')
    prepared: Batch = model.data_preprocessor(data, True)
    for domain in (prepared.source, *prepared.targets.values()):
        with torch.autocast('cpu', dtype=torch.bfloat16):
            network = model.segmentor
            features = network.extract_feat(domain.images)
            logits = {
                name: head(features).float()
                for name, head in network.heads().items()
            }
        full = {k: model.upsample(v, domain.images) for k, v in logits.items()}
        if domain is prepared.source:
            losses = [
                weight
                * torch.nn.functional.cross_entropy(
                    full[head], domain.labels, ignore_index=255
                )
                for head, weight in (('decode', 1.0), ('aux', 0.1))
            ]
        else:
            losses = entropy_losses(full, model.entropy_weights).values()
        sum(losses).backward()
    return gradients(model)


def test_gradients_are_those_of_networks_in_bfloat16_and_losses_in_float32():
    model, data = build('MinEnt'), batch(2)
    wrappers = build_optim_wrapper(
        model, optim_config('MinEnt', **BF16, accumulative_counts=2)
    )
    wrappers.initialize_count_status(model, 0, 2)
    model.train_step(data, wrappers)
    found, expected = gradients(model), autocast_gradients(batch(2))
    assert list(found) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(2 * found[name], value, msg=name)


@pytest.mark.parametrize('precision', [BF16, FP16], ids=['bf16', 'fp16'])
def test_logits_leave_a_network_in_single_precision(precision):
    model = build()
    wrappers = build_optim_wrapper(model, optim_config(**precision))
    images = torch.zeros(1, 3, 33, 41)
    with wrappers['segmentor'].optim_context(model.segmentor):
        (features,) = model.extract_feat(images)[-1:]
        prediction = model.segmentor(images, heads=('decode', 'aux'))
    assert features.dtype.itemsize == 2
    kinds = {logits.dtype for logits in prediction.logits.values()}
    assert kinds == {torch.float32}


def features_and_logits(learns):
    model = build()
    head = model.segmentor.eval().decode_head
    images = torch.rand(1, 3, 33, 41, generator=torch.manual_seed(3))
    with (
        torch.set_grad_enabled(learns),
        torch.autocast('cpu', dtype=torch.bfloat16),
    ):
        features = model.segmentor.extract_feat(images)
        hidden = head._forward_feature(features)
        logits = model.segmentor(images, heads=('decode',)).logits['decode']
    return head.conv_seg, hidden.detach(), logits.detach()


def test_logits_that_predict_are_computed_in_single_precision():
    classifier, hidden, logits = features_and_logits(learns=False)
    with torch.no_grad():
        expected = classifier(hidden.float())
    assert hidden.dtype == torch.bfloat16
    assert torch.equal(logits, expected)


def test_logits_that_learn_are_computed_in_bfloat16():
    _, _, logits = features_and_logits(learns=True)
    assert torch.equal(logits, logits.bfloat16().float())


def test_the_branches_of_deeplab_v2_are_its_last_layers():
    head = DLV2Head(8, num_classes=3)
    assert last_layers(head) == list(head.convs)


def test_images_are_not_rounded_for_a_prediction():
    model = build().eval()
    (first,) = first_layers(model.segmentor.backbone)
    image = torch.full((1, 3, 9, 9), 100.3)
    with torch.no_grad():
        expected = first(image)
        with torch.autocast('cpu', dtype=torch.bfloat16):
            assert torch.equal(first(image), expected)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert first(image).dtype == torch.bfloat16


def test_autocast_goes_on_after_a_layer_that_fails():
    model = build().eval()
    with (
        torch.no_grad(),
        torch.autocast('cpu', dtype=torch.bfloat16),
    ):
        with pytest.raises(RuntimeError):
            model.segmentor.decode_head.conv_seg(torch.zeros(1, 3, 4, 4))
        assert torch.is_autocast_enabled('cpu')


def test_accumulated_gradients_are_the_sum_of_single_ones():
    def after(seeds, **options):
        model = build(segmentor=segmentor_config(norm_eval=True))
        config = optim_config(**BF16, **options)
        wrappers = build_optim_wrapper(model, config)
        wrappers.initialize_count_status(model, 0, 3)
        for seed in seeds:
            model.train_step(batch(seed=seed), wrappers)
        return gradients(model)

    # A third of them, so that none is stepped yet.
    first, second, both = (
        after(seeds, accumulative_counts=3) for seeds in ((0,), (1,), (0, 1))
    )
    for name, value in both.items():
        torch.testing.assert_close(value, first[name] + second[name], msg=name)


@pytest.mark.parametrize(
    ('precision', 'scale'), [(BF16, 1.0), (FP16, 1024.0)], ids=['bf16', 'fp16']
)
def test_only_float16_scales_losses(precision, scale):
    wrappers = build_optim_wrapper(build(), optim_config(**precision))
    for wrapper in wrappers.values():
        assert wrapper.loss_scaler.get_scale() == scale
        assert ('loss_scaler' in wrapper.state_dict()) == (scale != 1)


def test_an_infinite_gradient_costs_its_player_a_step_and_half_the_scale():
    model = build()
    config = optim_config(**dict(FP16, loss_scale=dict(init_scale=2.0**10)))
    wrapper = build_optim_wrapper(model, config)['segmentor']
    before = {k: v.clone() for k, v in model.state_dict().items()}
    bias = model.segmentor.decode_head.conv_seg.bias
    wrapper.backward((bias * torch.inf).sum())
    wrapper.step()
    assert wrapper.loss_scaler.get_scale() == 2.0**9
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_continued_run_has_the_scale_of_one_that_was_not_stopped():
    # It doubles after each step.
    scale = dict(init_scale=2.0**8, growth_interval=1)
    config = optim_config(**dict(FP16, loss_scale=scale))

    def go_on(model, wrappers, seeds):
        for seed in seeds:
            model.train_step(batch(seed=seed), wrappers)
        return model.state_dict(), wrappers.state_dict()

    model = build()
    wrappers = build_optim_wrapper(model, config)
    stopped = copy.deepcopy(go_on(model, wrappers, [0]))
    whole = go_on(model, wrappers, [1])
    model = build()
    wrappers = build_optim_wrapper(model, config)
    model.load_state_dict(stopped[0])
    wrappers.load_state_dict(stopped[1])
    continued = go_on(model, wrappers, [1])
    assert whole[1]['segmentor']['loss_scaler']['scale'] == 2.0**10
    torch.testing.assert_close(continued, whole, rtol=0, atol=0)


def layouts(network):
    """Whether kernels lie with their channels last; 1x1 ones are both."""
    return {
        weight.is_contiguous(memory_format=torch.channels_last)
        for weight in network.parameters()
        if weight.dim() == 4 and weight.shape[1] > 1 < weight.shape[2]
    }


@pytest.mark.parametrize(
    ('precision', 'device', 'groups', 'expected'),
    [
        ('bf16', 'cpu', 1, True),
        ('bf16', 'cpu', 8, True),
        ('bf16', 'cuda', 8, True),
        ('fp32', 'cpu', 1, True),
        ('fp32', 'cpu', 8, False),
        ('fp32', 'cuda', 1, False),
    ],
)
def test_channels_are_last_where_that_is_not_slower(
    precision, device, groups, expected
):
    model = build(teacher=True)
    for network in (model.segmentor, model.teacher):
        network.decode_head.add_module(
            'depthwise', torch.nn.Conv2d(8, 16, 3, groups=groups)
        )
    lay_out(model, precision, device)
    assert layouts(model.segmentor) == {expected}
    assert layouts(model.teacher) == {expected}
    # No convolution of a discriminator is in groups.
    by_itself = precision == 'bf16' or device == 'cpu'
    assert layouts(model.discriminator) == {by_itself}


@pytest.mark.parametrize('groups', [1, 8])
def test_a_segmentor_by_itself_is_laid_out_as_one(groups):
    network = build().segmentor
    network.decode_head.add_module(
        'depthwise', torch.nn.Conv2d(8, 16, 3, groups=groups)
    )
    lay_out(network, 'fp32', 'cpu')
    assert layouts(network) == {groups == 1}


def test_channels_last_changes_no_more_than_last_bits():
    results = []
    for device in ('cuda', 'cpu'):
        model = build(segmentor=segmentor_config(norm_eval=True))
        lay_out(model, 'fp32', device)
        wrappers = build_optim_wrapper(model, optim_config())
        model.train_step(batch(2), wrappers)
        results.append(model.state_dict())
    torch.testing.assert_close(*results, rtol=0, atol=1e-6)
