import pytest
from mmengine.config import Config

from mmuda.registry import HOOKS, MODELS
from mmuda.utils.config_keys import (
    check_config_keys,
    config_errors,
    did_you_mean,
    init_parameters,
)
from mmuda.utils.errors import ConfigError


class Base:
    def __init__(self, depth, width=1):
        self.size = depth * width


class Method(Base):
    def __init__(self, loss_weights=None, **kwargs):
        super().__init__(**kwargs)
        self.loss_weights = loss_weights


@pytest.fixture(autouse=True)
def registered_classes():
    MODELS.register_module(name='FakeMethod', module=Method)
    HOOKS.register_module(name='FakeHook', module=Base)
    yield
    del MODELS.module_dict['FakeMethod']
    del HOOKS.module_dict['FakeHook']


def test_parameters_are_followed_through_kwargs():
    assert init_parameters(Method) == {'loss_weights', 'depth', 'width'}


def test_parameters_end_at_a_class_without_kwargs():
    class Closed(Method):
        def __init__(self, scale, *rest):
            super().__init__()

    assert init_parameters(Closed) == {'scale'}


def test_right_keys_pass():
    cfg = dict(model=dict(type='FakeMethod', loss_weights=[1], width=2))
    check_config_keys(Config(cfg))


def test_misspelt_key_is_named_with_its_place():
    cfg = dict(model=dict(type='FakeMethod', loss_weigths=[1]))
    with pytest.raises(ConfigError) as error:
        check_config_keys(Config(cfg))
    assert str(error.value) == (
        "model.loss_weigths: Method takes no 'loss_weigths' "
        "(did you mean 'loss_weights'?)"
    )


def test_key_unlike_any_other_gets_no_suggestion():
    cfg = dict(model=dict(type='FakeMethod', qqq=1))
    with pytest.raises(ConfigError, match="takes no 'qqq'$"):
        check_config_keys(cfg)


def test_parts_inside_lists_and_foreign_classes_are_checked():
    inner = dict(type='FakeMethod', depht=1)
    cfg = dict(models=[dict(type='SomethingElse', parts=[inner], x=1)])
    with pytest.raises(ConfigError, match=r'^models\[0\]\.parts\[0\]\.depht:'):
        check_config_keys(cfg)


@pytest.mark.parametrize(
    'kind', ['mmuda.FakeMethod', 'mmuda.models.uda.FakeMethod', Method]
)
def test_type_may_be_a_path_or_a_class(kind):
    with pytest.raises(ConfigError, match="takes no 'depht'"):
        check_config_keys(dict(model=dict(type=kind, depht=1)))


def test_keys_that_mmengine_consumes_pass():
    check_config_keys([dict(type='FakeHook', priority='LOW', depth=1)])


def test_classes_of_other_packages_are_left_alone():
    check_config_keys(dict(type='EncoderDecoder', anything=1))


@pytest.mark.parametrize(
    ('error', 'message'),
    [
        (KeyError('Mehtod is not in the a::model registry. x'), 'model.type'),
        (TypeError("Base.__init__() missing 1 argument: 'depth'"), 'parts'),
        (
            TypeError("X.__init__() got an unexpected keyword argument 'w'"),
            r'model\.w: X takes no',
        ),
    ],
)
def test_place_of_what_cannot_be_built(error, message):
    cfg = Config(dict(model=dict(type='Mehtod', w=1), parts=dict(type='Base')))
    with pytest.raises(ConfigError, match=f'^{message}'), config_errors(cfg):
        raise error


@pytest.mark.parametrize(
    'error',
    [
        KeyError('depth'),
        TypeError("f() got an unexpected keyword argument 'w'"),
        TypeError("X.__init__() got an unexpected keyword argument 'v'"),
    ],
)
def test_error_that_the_config_does_not_explain_passes(error):
    with pytest.raises(type(error)) as raised, config_errors(dict(w=1)):
        raise error
    assert raised.value is error


def test_part_without_a_type_is_named():
    cfg = Config(dict(model=dict(parts=[dict(a="it's")])))
    with (
        pytest.raises(
            ConfigError, match=r"^model\.parts\[0\]: needs a 'type'"
        ),
        config_errors(cfg),
    ):
        HOOKS.build(cfg.model.parts[0])


def test_missing_parameter_of_the_class_that_another_is_made_of():
    cfg = Config(dict(param_scheduler=[dict(type='MultiStepLR')]))
    error = 'MultiStepParamScheduler.__init__() missing 1 required: '
    message = r"^param_scheduler\[0\]: MultiStepLR needs 'milestones'"
    with pytest.raises(ConfigError, match=message), config_errors(cfg):
        raise TypeError(error + "'milestones'")


def test_the_word_itself_is_never_proposed():
    assert did_you_mean('lr', ['lr']) == ''
    assert did_you_mean('depth', ['depth', 'depths']) == (
        " (did you mean 'depths'?)"
    )
