"""Values that are settled, and those without effect or that fail late."""

import pytest
from faulty_values import INF, LOADER, NAN, PLAYER
from mmengine.config import Config
from test_config_values import CONFIGS, changed

from mmuda.utils.config import load_config
from mmuda.utils.config_values import (
    check_config,
    parameter_defaults,
    settle_whole_numbers,
)
from mmuda.utils.errors import ConfigError


@pytest.fixture(scope='module')
def base():
    return Config.fromfile(CONFIGS / 'demo' / 'demo_advent_gta2cs.py')


@pytest.mark.parametrize(
    ('key', 'value', 'settled'),
    [
        ('default_hooks.checkpoint.interval', 2e3, 2000),
        ('default_hooks.logger.interval', 1e1, 10),
        ('model.warmup_iters', 5e2, 500),
        ('train_cfg.max_iters', 40e3, 40e3),
        ('model.adversarial_weights', dict(decode=1.0), dict(decode=1.0)),
    ],
)
def test_whole_numbers_are_written_as_such(base, key, value, settled):
    cfg = Config(changed(base, key, value))
    settle_whole_numbers(cfg)
    check_config(cfg)
    found = cfg
    for part in key.split('.'):
        found = found[part]
    assert found == settled
    assert type(found) is type(settled) or isinstance(found, dict)


@pytest.mark.parametrize('value', [2.5, NAN, INF, -2e3, 0.0])
def test_what_is_no_whole_number_stays(base, value):
    cfg = Config(changed(base, 'default_hooks.checkpoint.interval', value))
    settle_whole_numbers(cfg)
    with pytest.raises(ConfigError, match=r'^default_hooks\.checkpoint\.int'):
        check_config(cfg)


def test_a_child_that_is_given_no_default_of_its_parent(base):
    class Parent:
        def __init__(self, a=1, b=2):
            pass

    class Child(Parent):
        def __init__(self, c=3, **kwargs):
            super().__init__(**kwargs)

    assert parameter_defaults(Child) == {'c': 3}
    Child.__init__.__module__ = 'mmuda.child'
    assert parameter_defaults(Child) == {'c': 3, 'a': 1, 'b': 2}
    assert parameter_defaults(None) == {}


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        (
            'param_scheduler',
            [dict(power=1.0)],
            "param_scheduler[0]: needs a 'type', the name of a class",
        ),
        (
            'param_scheduler',
            [dict(type='LinearLR', start_factor=0, by_epoch=False)],
            'param_scheduler[0].start_factor=0: must be a number above 0',
        ),
        (
            'custom_hooks',
            [dict(momentum=1)],
            "custom_hooks[0]: needs a 'type', the name of a class",
        ),
        (
            'custom_hooks',
            [dict(type='SyncBuffersHook', priority='NOPE')],
            "custom_hooks[0].priority='NOPE': must be a whole number from 0",
        ),
        (
            'default_hooks.param_scheduler',
            None,
            'default_hooks: runtime_info and param_scheduler must not be',
        ),
        (
            'default_hooks.runtime_info',
            None,
            'default_hooks: runtime_info and param_scheduler must not be',
        ),
        (
            'custom_hooks',
            [dict(type='EMAHook', interval=0)],
            'custom_hooks[0].interval=0: must be a whole number above 0',
        ),
        (
            'model.adversarial_weights',
            dict(decode=-1.0),
            "model.adversarial_weights={'decode': -1.0}: must be dict(...) of",
        ),
        (f'{PLAYER}.optimizer.type', '', f"{PLAYER}.optimizer.type='': must"),
        ('optim_wrapper.constructor', 5, 'optim_wrapper.constructor=5: must'),
        ('visualizer.vis_backends', 5, 'visualizer.vis_backends=5: must be'),
        (f'{LOADER}.worker_init_fn', 5, f'{LOADER}.worker_init_fn=5: must'),
    ],
)
def test_what_would_be_without_effect_or_fail_late(base, key, value, message):
    with pytest.raises(ConfigError) as raised:
        check_config(changed(base, key, value))
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize('priority', ['LOW', 'very_high', 5, 100])
def test_priorities_of_hooks(base, priority):
    hook = dict(type='SyncBuffersHook', priority=priority)
    check_config(changed(base, 'custom_hooks', [hook]))


@pytest.mark.parametrize(
    'text', ['x = object()', 'class A:\n    pass\ny = dict(z=[A()])']
)
def test_objects_that_no_config_can_hold(tmp_path, text):
    config = tmp_path / 'config.py'
    config.write_text(f'{text}\n')
    with pytest.raises(ConfigError, match=r"(x|y\.z): an object of \w+ can't"):
        load_config(config)


def test_a_module_that_is_not_there(tmp_path):
    config = tmp_path / 'config.py'
    config.write_text('import nothing_there\nx = dict(a=1)\n')
    with pytest.raises(
        ConfigError, match=r'config\.py, line 1 .*; install it'
    ):
        load_config(config)


def test_a_config_that_raises_what_is_no_exception(tmp_path):
    config = tmp_path / 'config.py'
    config.write_text("a = 1\nraise BaseException('b')\n")
    with pytest.raises(ConfigError, match=r'config\.py:2: BaseException: b'):
        load_config(config)
