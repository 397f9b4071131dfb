"""Checkpoints that fit, that are plain mmseg's, and that do not fit."""

import pytest
import torch
from hrda_models import hrda_config
from mmengine.runner.checkpoint import load_state_dict
from tiny_models import model_config, segmentor_config

from mmuda.registry import MODELS
from mmuda.utils.errors import CheckpointError, ConfigError


def build(method='AdvEnt', seed=0, **kwargs):
    torch.manual_seed(seed)
    model = MODELS.build(model_config(method, **kwargs))
    model.init_weights()
    return model


def start(model, state):
    """Load as a training does."""
    model.prepare_start(state)
    load_state_dict(model, state)


def weights(model):
    return model.segmentor.state_dict()


def assert_same_segmentor(a, b):
    for name, value in weights(a).items():
        assert torch.equal(value, weights(b)[name]), name


def test_own_checkpoint_round_trip():
    trained, fresh = build(seed=1), build(seed=2)
    load_state_dict(fresh, trained.state_dict())
    assert_same_segmentor(trained, fresh)


def test_source_only_checkpoint_starts_advent():
    trained, fresh = build('SourceOnly', seed=1), build('AdvEnt', seed=2)
    load_state_dict(fresh, trained.state_dict())
    assert_same_segmentor(trained, fresh)


def test_plain_mmseg_checkpoint_goes_into_the_segmentor():
    fresh = build(seed=2)
    plain = MODELS.build(segmentor_config() | dict(type='EncoderDecoder'))
    load_state_dict(fresh, plain.state_dict())
    for name, value in plain.state_dict().items():
        assert torch.equal(value, weights(fresh)[name]), name


def test_torch_load_state_dict_accepts_a_plain_checkpoint_too():
    fresh = build('SourceOnly', seed=2)
    plain = MODELS.build(segmentor_config() | dict(type='EncoderDecoder'))
    fresh.load_state_dict(plain.state_dict())
    for name, value in plain.state_dict().items():
        assert torch.equal(value, weights(fresh)[name]), name


def test_missing_tensor_is_an_error():
    state = build().state_dict()
    del state['segmentor.decode_head.conv_seg.weight']
    with pytest.raises(CheckpointError, match='conv_seg.weight'):
        load_state_dict(build(), state)


def test_keys_of_a_wrapped_child_are_an_error_not_random_weights():
    state = {
        name.replace('segmentor.', 'segmentor.module.'): value
        for name, value in build().state_dict().items()
    }
    with pytest.raises(CheckpointError, match='tensors are missing'):
        load_state_dict(build(), state)


def test_another_class_count_is_an_error():
    state = build().state_dict()
    state['segmentor.decode_head.conv_seg.weight'] = torch.zeros(7, 8, 1, 1)
    with pytest.raises(CheckpointError, match=r'\(7, 8, 1, 1\) instead of'):
        load_state_dict(build(), state)


def test_another_architecture_is_an_error():
    plain = MODELS.build(segmentor_config() | dict(type='EncoderDecoder'))
    with pytest.raises(CheckpointError, match='tensors are missing'):
        load_state_dict(build(), plain.backbone.state_dict())


def deeper_backbone():
    config = segmentor_config()
    config['backbone']['depth'] = 34
    return config


def test_a_deeper_network_does_not_pass_for_its_first_blocks():
    state = build(segmentor=deeper_backbone()).state_dict()
    with pytest.raises(CheckpointError, match='belong to another network'):
        load_state_dict(build(), state)


def test_auxiliary_head_may_be_left_out():
    trained, single = build('SourceOnly'), build('SourceOnly', two_heads=False)
    load_state_dict(single, trained.state_dict())
    assert torch.equal(
        single.segmentor.decode_head.conv_seg.weight,
        trained.segmentor.decode_head.conv_seg.weight,
    )


def test_parts_that_are_not_stored_keep_their_values():
    trained, fresh = build('SourceOnly', seed=1), build('AdvEnt', seed=2)
    before = {
        k: v.clone() for k, v in fresh.discriminator.state_dict().items()
    }
    fresh.load_state_dict(trained.state_dict())
    for name, value in fresh.discriminator.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_parts_of_another_method_are_left_out():
    trained, fresh = build('AdvEnt', seed=1), build('SourceOnly', seed=2)
    fresh.load_state_dict(trained.state_dict())
    assert_same_segmentor(trained, fresh)


@pytest.mark.parametrize('part', ['segmentor', 'discriminator', 'teacher'])
@pytest.mark.parametrize(
    ('kind', 'message'),
    [
        (torch.int8, 'int8 instead of float32'),
        (torch.complex64, 'complex64 instead of float32'),
        (torch.float8_e5m2, 'float8_e5m2 instead of float32'),
        (float('nan'), 'a.pth: 1 tensors hold NaN or infinite values'),
        (float('inf'), 'a.pth: 1 tensors hold NaN or infinite values'),
    ],
)
def test_weights_that_are_no_numbers_are_an_error(part, kind, message):
    model = build(teacher=True)
    model.loading_from = 'a.pth'
    state = model.state_dict()
    name = [n for n in state if n.startswith(part) and 'weight' in n][-1]
    if isinstance(kind, torch.dtype):
        state[name] = state[name].to(kind)
    else:
        state[name] = torch.full_like(state[name], 0.5)
        state[name].view(-1)[-1] = kind
    with pytest.raises(CheckpointError, match=message):
        start(model, state)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (torch.Tensor.to_sparse, 'sparse float32 instead of float32'),
        (lambda tensor: tensor.to('meta'), 'of another type'),
        (lambda tensor: tensor.tolist(), 'missing'),
        (lambda tensor: tensor.numpy(), 'missing'),
        (lambda tensor: None, 'missing'),
        (
            lambda tensor: torch.quantize_per_tensor(
                tensor, 0.1, 0, torch.qint8
            ),
            'qint8 instead of float32',
        ),
    ],
)
def test_weights_of_another_form_are_an_error(change, message):
    model = build()
    state = model.state_dict()
    name = 'segmentor.decode_head.conv_seg.weight'
    state[name] = change(state[name].detach())
    with pytest.raises(CheckpointError, match=message):
        load_state_dict(model, state)


@pytest.mark.parametrize(
    'kind', [torch.float16, torch.bfloat16, torch.float64]
)
def test_weights_of_another_precision_are_converted(kind):
    trained, fresh = build(seed=1), build(seed=2)
    state = {
        k: v.to(kind) if v.is_floating_point() else v
        for k, v in trained.state_dict().items()
    }
    load_state_dict(fresh, state)
    for name, value in weights(fresh).items():
        stored = state[f'segmentor.{name}']
        assert value.dtype == weights(trained)[name].dtype
        assert torch.equal(value, stored.to(value.dtype)), name


def narrow_discriminator():
    config = model_config('AdvEnt')['discriminator']
    return config | dict(base_channels=2)


@pytest.mark.parametrize('fault', ['shape', 'missing'])
def test_a_part_that_is_stored_must_fit(fault):
    state = build(seed=1).state_dict()
    if fault == 'shape':
        fresh = build(seed=2, discriminator=narrow_discriminator())
    else:
        fresh = build(seed=2)
        del state[[n for n in state if n.startswith('discriminator')][0]]
    with pytest.raises(CheckpointError, match='not fit the discriminator'):
        fresh.prepare_start(dict(state))
    # It does not predict.
    load_state_dict(fresh, state)
    assert_same_segmentor(fresh, build(seed=1))


def test_new_parts_are_not_proposed_where_the_backbone_does_not_fit():
    state = build(seed=1).state_dict()
    state['segmentor.backbone.conv1.weight'] = torch.zeros(1)
    fresh = build(seed=2, discriminator=narrow_discriminator())
    with pytest.raises(CheckpointError, match='fit the segmentor') as error:
        fresh.prepare_start(state)
    assert '--new-parts' not in str(error.value)


def test_a_part_may_start_anew():
    state = build(seed=1).state_dict()
    fresh = build(seed=2, discriminator=narrow_discriminator())
    before = {
        k: v.clone() for k, v in fresh.discriminator.state_dict().items()
    }
    fresh.prepare_start(state, ['discriminator'])
    load_state_dict(fresh, state)
    for name, value in fresh.discriminator.state_dict().items():
        assert torch.equal(value, before[name]), name


def with_classes(count, **kwargs):
    """A model of another number of classes."""
    config = model_config('AdvEnt', **kwargs)
    for head in ('decode_head', 'auxiliary_head'):
        config['segmentor'][head]['num_classes'] = count
    config['discriminator']['in_channels'] = count
    torch.manual_seed(2)
    model = MODELS.build(config)
    model.init_weights()
    return model


@pytest.mark.parametrize('teacher', [True, False])
def test_another_number_of_classes_starts_with_new_heads(teacher):
    trained = build(seed=1, teacher=teacher)
    fresh = with_classes(3, teacher=teacher)
    before = {k: v.clone() for k, v in fresh.state_dict().items()}
    state = trained.state_dict()
    with pytest.raises(CheckpointError, match='--new-parts heads'):
        load_state_dict(fresh, dict(state))
    fresh.prepare_start(state, ['heads', 'discriminator'])
    load_state_dict(fresh, state)
    for name, value in weights(fresh).items():
        own = name.startswith('backbone')
        expected = trained.state_dict() if own else before
        assert torch.equal(value, expected[f'segmentor.{name}']), name
        if teacher:
            copied = fresh.teacher.state_dict()[name]
            assert torch.equal(copied, value), name


def test_discriminators_of_other_classes_are_named():
    state = build(seed=1).state_dict()
    with pytest.raises(CheckpointError, match='--new-parts discriminator'):
        with_classes(3).prepare_start(state, ['heads'])


@pytest.mark.parametrize('part', ['segmentor', 'head', 'teacher'])
def test_an_unknown_new_part_is_an_error(part):
    known = 'it has heads, decode_head, auxiliary_head, discriminator'
    with pytest.raises(ConfigError, match=known):
        build(teacher=True).prepare_start(build().state_dict(), [part])


def source_only_of_hrda(teacher):
    """Backbone and decode head of HRDA, without its attention."""
    config = hrda_config()
    for name in ('attention_head', 'detail_crop_size', 'crop_multiple'):
        del config[name]
    config['type'] = 'UDAEncoderDecoder'
    return build('SourceOnly', seed=1, segmentor=config, teacher=teacher)


@pytest.mark.parametrize('teacher', [True, False])
def test_hrda_starts_from_source_only_with_a_new_attention(teacher):
    state = source_only_of_hrda(teacher).state_dict()
    fresh = build(
        'SourceOnly', seed=2, segmentor=hrda_config(), teacher=teacher
    )
    before = {k: v.clone() for k, v in weights(fresh).items()}
    # Only what does not fit is proposed.
    hint = r'missing .*--new-parts attention_head \('
    with pytest.raises(CheckpointError, match=hint):
        fresh.prepare_start(dict(state))
    expected = {
        name: value if name.startswith('attention_head.') else state[key]
        for name, value in before.items()
        for key in [f'segmentor.{name}']
    }
    fresh.prepare_start(state, ['attention_head'])
    load_state_dict(fresh, state)
    assert len(expected) > len(fresh.segmentor.decode_head.state_dict())
    for network in (fresh.segmentor, fresh.teacher)[: 1 + teacher]:
        for name, value in network.state_dict().items():
            assert torch.equal(value, expected[name]), name


def test_all_heads_may_start_anew_where_others_are_stored():
    state = build('SourceOnly', seed=1, segmentor=hrda_config()).state_dict()
    plain = source_only_of_hrda(False)
    # The file has a head that there is no place for.
    with pytest.raises(CheckpointError, match='--new-parts heads'):
        plain.prepare_start(dict(state))
    before = plain.segmentor.decode_head.conv_seg.weight.clone()
    plain.prepare_start(state, ['heads'])
    load_state_dict(plain, state)
    assert torch.equal(plain.segmentor.decode_head.conv_seg.weight, before)
