import collaborative_models
import pytest
import torch
from mmengine.optim import build_optim_wrapper
from tiny_models import model_config, optim_config

from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError


def build(method='AdvEnt'):
    return MODELS.build(model_config(method))


def test_each_trained_tensor_is_in_one_group_once():
    model = build()
    wrappers = build_optim_wrapper(model, optim_config())
    listed = [
        id(p)
        for wrapper in wrappers.values()
        for group in wrapper.param_groups
        for p in group['params']
        if p.requires_grad
    ]
    trained = [id(p) for p in model.parameters() if p.requires_grad]
    assert sorted(listed) == sorted(trained)


def test_heads_have_ten_times_the_rate():
    model = build()
    wrapper = build_optim_wrapper(model, optim_config())['segmentor']
    rates = {
        id(p): group['lr']
        for group in wrapper.param_groups
        for p in group['params']
    }
    head = model.segmentor.decode_head.conv_seg.weight
    assert rates[id(head)] == pytest.approx(0.2)


def test_player_without_optimizer_is_refused():
    config = optim_config('SourceOnly')
    with pytest.raises(ConfigError, match="'discriminator.*is in none"):
        build_optim_wrapper(build('AdvEnt'), config)


def test_player_of_none_is_named():
    config = optim_config() | dict(discriminator=None)
    with pytest.raises(ConfigError, match='discriminator has no optimizer'):
        build_optim_wrapper(build(), config)


@pytest.mark.parametrize('own_first', [True, False])
def test_entry_of_one_part_goes_before_that_of_its_family(own_first):
    own = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.5))
    config, first = optim_config('AdvEnt'), {}
    (first if own_first else config)['discriminator_rome'] = own
    wrappers = build_optim_wrapper(
        collaborative_models.build('MTKT'), first | config
    )
    rates = {
        name: wrapper.param_groups[0]['lr']
        for name, wrapper in wrappers.items()
        if name.startswith('discriminator')
    }
    other = config['discriminator']['optimizer']['lr']
    assert rates == dict(discriminator_rome=0.5, discriminator_oslo=other)


def test_optimizer_without_player_is_refused():
    with pytest.raises(ConfigError, match='SourceOnly has no such part'):
        build_optim_wrapper(build('SourceOnly'), optim_config('AdvEnt'))


def test_parameter_in_two_optimizers_is_refused():
    model = build()
    model.twin = model.discriminator
    config = optim_config()
    config['twin'] = config['discriminator']
    with pytest.raises(ConfigError, match='in several'):
        build_optim_wrapper(model, config)


def test_paramwise_config_outside_a_player_is_refused():
    config = optim_config() | dict(paramwise_cfg=dict(norm_decay_mult=0.0))
    with pytest.raises(ConfigError, match='paramwise_cfg'):
        build_optim_wrapper(build(), config)


def test_resume_restores_the_accumulation_count():
    model = build()
    wrappers = build_optim_wrapper(model, optim_config())
    wrappers.initialize_count_status(model, 7, 10)
    assert [w.inner_count for w in wrappers.values()] == [7, 7]


def test_state_of_both_optimizers_round_trips():
    model = build()
    wrappers = build_optim_wrapper(model, optim_config())
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    for wrapper in wrappers.values():
        wrapper.step()
    state = wrappers.state_dict()
    fresh = build_optim_wrapper(build(), optim_config())
    fresh.load_state_dict(state)
    momentum = fresh['segmentor'].state_dict()['state']
    assert len(momentum) > 0
    for index, entry in state['segmentor']['state'].items():
        assert torch.equal(
            momentum[index]['momentum_buffer'], entry['momentum_buffer']
        )
