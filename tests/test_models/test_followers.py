"""Networks of a model that are never trained."""

import copy

import gloo
import modern_goldens
import pytest
import torch
from mmengine.dist import get_rank
from tiny_models import model_config, segmentor_config

from mmuda.hooks import MeanTeacherHook
from mmuda.models.followers import Follower, add_follower, start_followers
from mmuda.models.moving_average import update_teacher
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError
from mmuda.utils.setup_env import register_all_modules


def build(teacher=True, dropout=0.0, **options):
    torch.manual_seed(0)
    segmentor = segmentor_config()
    for head in ('decode_head', 'auxiliary_head'):
        segmentor[head]['dropout_ratio'] = dropout
    config = model_config(
        'MinEnt', segmentor=segmentor, teacher=teacher, **options
    )
    model = MODELS.build(config)
    model.init_weights()
    return model.train()


IMAGES = torch.randn(2, 3, 33, 41, generator=torch.Generator().manual_seed(1))


def test_batch_statistics_are_those_of_training_without_dropout():
    model = build(dict(mode='batch_statistics'), dropout=0.5)
    buffers = copy.deepcopy(dict(model.teacher.named_buffers()))
    plain = build(False)
    expected = plain.segmentor(IMAGES)
    assert torch.equal(model.teacher(IMAGES), expected)
    assert not torch.equal(model.segmentor(IMAGES), expected)
    for name, value in model.teacher.named_buffers():
        assert torch.equal(value, buffers[name]), name


def test_batch_statistics_are_not_those_of_testing():
    model = build(dict(mode='batch_statistics'))
    training = model.teacher(IMAGES)
    update_teacher(model.teacher, model.segmentor, 0)
    found, expected = model.eval().teacher(IMAGES), model.segmentor(IMAGES)
    assert torch.equal(found, expected)
    assert not torch.allclose(training, expected)


def with_encoder(saved, seed=0):
    model = build(False)
    add_follower(
        model, 'imagenet', Follower('segmentor.backbone', saved=saved)
    )
    torch.manual_seed(seed)
    for parameter in model.parameters():
        parameter.data.normal_()
    return model


@pytest.mark.parametrize('saved', [True, False])
def test_checkpoints_hold_what_is_saved(saved):
    model, other = with_encoder(saved), with_encoder(saved, seed=1)
    before = copy.deepcopy(other.imagenet.state_dict())
    state = model.state_dict()
    assert any(name.startswith('imagenet.') for name in state) == saved
    other.load_state_dict(state)
    expected = model.imagenet.state_dict() if saved else before
    for name, value in other.imagenet.state_dict().items():
        assert torch.equal(value, expected[name]), name
    for name, value in other.segmentor.state_dict().items():
        assert torch.equal(value, model.segmentor.state_dict()[name]), name


def test_a_follower_starts_as_its_part():
    model = build(False)
    add_follower(model, 'imagenet', Follower('segmentor.backbone'))
    model.train()
    assert not any(part.training for part in model.imagenet.modules())
    assert not any(p.requires_grad for p in model.imagenet.parameters())
    for name, value in model.imagenet.state_dict().items():
        assert torch.equal(value, model.segmentor.backbone.state_dict()[name])


def test_one_kept_alike_is_shared_and_another_refused():
    model = build(False)
    add_follower(model, 'imagenet', Follower('segmentor.backbone'))
    first = model.imagenet
    add_follower(model, 'imagenet', Follower('segmentor.backbone'))
    assert model.imagenet is first
    for name in ('imagenet', 'segmentor', 'loss'):
        with pytest.raises(ConfigError, match=f"has a '{name}' already"):
            add_follower(model, name, Follower('segmentor'))


def started_in_a_process(layout):
    register_all_modules()
    model = build(False).to(memory_format=layout)
    follower = Follower('segmentor.backbone', saved=False)
    add_follower(model, 'imagenet', follower)
    torch.manual_seed(get_rank())
    for parameter in model.segmentor.parameters():
        parameter.data.normal_()
    start_followers(model)
    return model.imagenet.state_dict()


@pytest.mark.parametrize(
    'layout', [torch.contiguous_format, torch.channels_last]
)
def test_what_is_not_saved_starts_alike_in_all_processes(tmp_path, layout):
    first, second = gloo.run(started_in_a_process, tmp_path, layout)
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


@pytest.mark.parametrize(
    ('teacher', 'message'),
    [
        (dict(mode='train'), r"teacher\.mode must be one of .* 'train'"),
        (dict(momentun=0.9), "model.teacher: there is no 'momentun'"),
    ],
)
def test_unknown_options_are_refused(teacher, message):
    with pytest.raises(ConfigError, match=message):
        build(teacher)


def drawn(seed):
    network = build(False).segmentor
    generator = torch.Generator().manual_seed(seed)
    for tensor in (*network.parameters(), *network.buffers()):
        if tensor.is_floating_point():
            tensor.data.normal_(generator=generator)
    return network


@pytest.mark.parametrize('momentum', [0.0, 0.3, 0.5, 0.999, 1.0])
def test_the_average_is_that_of_each_tensor_bit_for_bit(momentum):
    teacher, student = drawn(1), drawn(2)
    expected = copy.deepcopy(teacher)
    for old, new in zip(
        expected.parameters(), student.parameters(), strict=True
    ):
        old.data.lerp_(new.data, 1 - momentum)
    update_teacher(teacher, student, momentum)
    for old, new in zip(
        expected.parameters(), teacher.parameters(), strict=True
    ):
        assert torch.equal(old, new)


# As the teachers of DACS and its successors


def test_own_statistics_are_counted_but_those_of_the_student_not():
    model = build(dict(mode='own_statistics'), dropout=0.5)
    student = copy.deepcopy(model.segmentor.state_dict())
    plain = build(False)
    expected = plain.segmentor(IMAGES)
    assert torch.equal(model.teacher(IMAGES), expected)
    for name, value in model.teacher.state_dict().items():
        assert torch.equal(value, plain.segmentor.state_dict()[name]), name
        assert torch.equal(
            model.segmentor.state_dict()[name], student[name]
        ), name
    counted = 'backbone.bn1.running_mean'
    assert not torch.equal(
        model.teacher.state_dict()[counted], student[counted]
    )


def test_own_statistics_are_those_of_testing():
    model = build(dict(mode='own_statistics'))
    model.teacher(IMAGES)
    state = copy.deepcopy(model.teacher.state_dict())
    found = model.eval().teacher(IMAGES)
    model.segmentor.load_state_dict(state)
    assert torch.equal(found, model.segmentor(IMAGES))
    for name, value in model.teacher.state_dict().items():
        assert torch.equal(value, state[name]), name


@pytest.mark.parametrize(
    'options',
    [
        dict(mode='own_statistics', buffers='copy'),
        dict(mode='own_statistics', buffers='ema'),
        dict(mode='batch_statistics', buffers='keep'),
        dict(buffers='keep'),
    ],
)
def test_statistics_of_no_one_are_refused(options):
    with pytest.raises(ConfigError, match=r'own_statistics.*belong together'):
        build(options)


@pytest.mark.parametrize('momentum', [0.99, 0.999])
def test_average_equals_goldens(momentum):
    goldens = modern_goldens.load('ema')
    hook = MeanTeacherHook(momentum, buffers='keep')
    teacher, student = (
        torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)
        ).double()
        for _ in range(2)
    )
    teacher[1].running_mean.fill_(5)
    for t in range(6):
        for name, parameter in student.named_parameters():
            parameter.data.copy_(goldens[f'student_{t}.{name}'])
        update_teacher(
            teacher,
            student,
            hook.momentum_after(t) if t else 0,
            hook.buffers,
        )
        for name, parameter in teacher.named_parameters():
            expected = goldens[f'a{momentum}_teacher_{t}.{name}']
            modern_goldens.assert_golden(parameter.data, expected)
    kept = goldens[f'a{momentum}_teacher_running_mean_after']
    assert torch.equal(teacher[1].running_mean, kept)
    for t, expected in zip(
        goldens['alpha_iterations'].tolist(),
        goldens[f'a{momentum}_alpha_t'].tolist(),
        strict=True,
    ):
        assert hook.momentum_after(t) == pytest.approx(expected, abs=1e-15)
