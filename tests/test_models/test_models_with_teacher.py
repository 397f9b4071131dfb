"""The averaged copy of the segmentor, as a part of a model."""

import collaborative_models
import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.runner.checkpoint import load_state_dict
from tiny_models import batch, model_config, optim_config, segmentor_config

from mmuda.registry import MODELS
from mmuda.utils.errors import CheckpointError, ConfigError


def build(method='AdvEnt', seed=0, **kwargs):
    torch.manual_seed(seed)
    model = MODELS.build(model_config(method, **kwargs))
    model.init_weights()
    return model


def build_two(method='SourceOnly', **kwargs):
    """A model whose teacher is another network than its segmentor."""
    model = build(method, teacher=True, **kwargs)
    model.teacher.load_state_dict(build(seed=1).segmentor.state_dict())
    return model.eval()


def tensors(state, part):
    prefix = f'{part}.'
    return {
        name.removeprefix(prefix): value
        for name, value in state.items()
        if name.startswith(prefix)
    }


def assert_equal(first, second):
    assert list(first) == list(second)
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def test_teacher_starts_as_the_segmentor():
    state = build(teacher=True).state_dict()
    assert_equal(tensors(state, 'teacher'), tensors(state, 'segmentor'))


def test_teacher_shares_no_tensor_with_the_segmentor():
    state = build(teacher=True).state_dict()
    own = {value.data_ptr() for value in tensors(state, 'teacher').values()}
    for name, value in tensors(state, 'segmentor').items():
        assert value.data_ptr() not in own, name


@pytest.mark.parametrize('part', ['segmentor', 'discriminator'])
def test_other_parts_start_as_without_a_teacher(part):
    state, alone = build(teacher=True).state_dict(), build().state_dict()
    assert_equal(tensors(state, part), tensors(alone, part))


def test_teacher_draws_no_random_numbers():
    draws = []
    for teacher in (False, True):
        build(teacher=teacher)
        draws.append(torch.rand(()).item())
    assert draws[0] == draws[1]


def test_training_mode_is_not_the_teachers():
    model = build(teacher=True).eval().train()
    assert all(m.training for m in model.segmentor.modules())
    assert not any(m.training for m in model.teacher.modules())


def test_optimizers_hold_no_tensor_of_the_teacher():
    model = build(teacher=True)
    wrappers = build_optim_wrapper(model, optim_config('AdvEnt'))
    trained = {
        id(parameter)
        for wrapper in wrappers.values()
        for group in wrapper.param_groups
        for parameter in group['params']
    }
    assert trained
    assert not trained & {id(p) for p in model.teacher.parameters()}


def test_training_step_leaves_the_teacher_alone():
    model = build(teacher=True).train()
    wrappers = build_optim_wrapper(model, optim_config('AdvEnt'))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    model.train_step(batch(), wrappers)
    after = model.state_dict()
    assert_equal(tensors(after, 'teacher'), tensors(before, 'teacher'))
    assert all(p.grad is None for p in model.teacher.parameters())
    name = 'segmentor.decode_head.conv_seg.weight'
    assert not torch.equal(after[name], before[name])


def test_checkpoint_round_trip():
    state = build_two().state_dict()
    model = build('SourceOnly', seed=2, teacher=True)
    load_state_dict(model, state)
    assert_equal(model.state_dict(), state)


def test_checkpoint_without_a_teacher_goes_into_both():
    state = build(seed=1).state_dict()
    model = build(seed=2, teacher=True)
    load_state_dict(model, state)
    loaded = model.state_dict()
    for part in ('segmentor', 'teacher'):
        assert_equal(tensors(loaded, part), tensors(state, 'segmentor'))


def test_plain_mmseg_checkpoint_goes_into_both():
    plain = MODELS.build(segmentor_config() | dict(type='EncoderDecoder'))
    model = build('SourceOnly', seed=2, teacher=True)
    model.load_state_dict(plain.state_dict())
    loaded = model.state_dict()
    for part in ('segmentor', 'teacher'):
        assert_equal(tensors(loaded, part), plain.state_dict())


@pytest.mark.parametrize('method', ['SourceOnly', 'CCL'])
def test_networks_that_are_initialised_twice_are_what_they_were(method):
    """As by a runner that trains again."""
    if method == 'CCL':
        model = collaborative_models.build('CCL', teacher=True)
    else:
        model = build(method, teacher=True)
        model.init_weights()
    for parameter in model.segmentor.parameters():
        parameter.data += 1
    before = {k: v.clone() for k, v in model.state_dict().items()}
    model.init_weights()
    assert_equal(model.state_dict(), before)


def test_a_teacher_that_predicts_must_be_stored():
    state = build(seed=1).state_dict()
    model = build(seed=2, teacher=True, predict_on='teacher')
    with pytest.raises(CheckpointError, match='has no teacher, which predic'):
        model.load_state_dict(dict(state))
    model.prepare_start(state)  # as a training does
    model.load_state_dict(state)
    loaded = model.state_dict()
    assert_equal(tensors(loaded, 'teacher'), tensors(state, 'segmentor'))


def test_an_extracted_network_predicts_as_the_teacher():
    plain = MODELS.build(segmentor_config() | dict(type='EncoderDecoder'))
    model = build('SourceOnly', teacher=True, predict_on='teacher')
    model.load_state_dict(plain.state_dict())
    assert_equal(tensors(model.state_dict(), 'teacher'), plain.state_dict())


def test_checkpoint_with_a_teacher_fits_a_model_without_one():
    state = build_two().state_dict()
    model = build('SourceOnly', seed=2)
    model.load_state_dict(state)
    assert_equal(
        tensors(model.state_dict(), 'segmentor'), tensors(state, 'segmentor')
    )


def test_half_a_teacher_is_an_error():
    state = build(teacher=True).state_dict()
    del state['teacher.decode_head.conv_seg.weight']
    with pytest.raises(CheckpointError, match='not fit the teacher .*conv_se'):
        load_state_dict(build(teacher=True), state)


def predict(model, image):
    return model.predict(image)[0].seg_logits.data


def encode_decode(model, image):
    return model.encode_decode(image, [dict(img_shape=image.shape[2:])])


def extract_feat(model, image):
    return model.extract_feat(image)[-1]


def forward(model, image):
    return model(image)


@pytest.mark.parametrize(
    'use', [predict, encode_decode, extract_feat, forward]
)
@pytest.mark.parametrize('network', ['segmentor', 'teacher'])
@torch.no_grad()
def test_the_chosen_network_predicts(use, network):
    model = build_two(predict_on=network)
    alone = MODELS.build(segmentor_config()).eval()
    alone.load_state_dict(tensors(model.state_dict(), network))
    image = torch.randn(1, 3, 33, 41)
    assert torch.equal(use(model, image), use(alone, image))
    (other,) = {'segmentor', 'teacher'} - {network}
    assert not torch.equal(
        use(model, image), use(getattr(model, other), image)
    )


def test_predicting_on_a_missing_teacher_is_an_error():
    with pytest.raises(ConfigError, match=r'needs model\.teacher=True, or a'):
        build(
            predict_on='teacher',
            terms=[dict(type='MaskedConsistency', block_size=8)],
        )
    build(predict_on='teacher', teacher=dict(mode='own_statistics'))


def test_predicting_on_an_unknown_network_is_an_error():
    with pytest.raises(ConfigError, match="not 'student'"):
        build(teacher=True, predict_on='student')
