import pytest
import torch
from tiny_models import model_config, segmentor_config

from mmuda.engine.predicting_head import check_own_heads, predicting_by
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError
from mmuda.utils.setup_env import register_all_modules


def build(several=True, **options):
    """A model with heads of two targets, or with one head."""
    register_all_modules()
    segmentor = segmentor_config()
    if several:
        segmentor |= dict(
            type='MultiHeadEncoderDecoder', targets=['rome', 'oslo']
        )
    return MODELS.build(
        model_config('SourceOnly', segmentor=segmentor, **options)
    ).eval()


def logits(model):
    """Logits of the network that predicts."""
    with torch.no_grad():
        image = torch.linspace(-1, 1, 3 * 33 * 41).view(1, 3, 33, 41)
        meta = dict(ori_shape=(33, 41), img_shape=(33, 41))
        return model.encode_decode(image, [meta])


@pytest.mark.parametrize('predict_on', ['segmentor', 'teacher'])
def test_own_head_predicts(predict_on):
    model = build(teacher=True, predict_on=predict_on)
    network = model.predictor
    with torch.no_grad():
        for parameter in network.heads()['rome.decode'].parameters():
            parameter.zero_()
    agnostic = logits(model)
    with predicting_by(model, 'rome.decode'):
        assert logits(model).abs().max() == 0
    assert agnostic.abs().max() > 0


def test_head_is_what_it_was_afterwards():
    model = build(teacher=True)
    model.segmentor.predict_head = 'oslo.decode'
    with (
        pytest.raises(KeyboardInterrupt),
        predicting_by(model, 'rome.decode'),
    ):
        raise KeyboardInterrupt
    heads = [model.segmentor.predict_head, model.teacher.predict_head]
    assert heads == ['oslo.decode', 'decode']


def test_no_head_changes_nothing():
    model = build()
    with predicting_by(model, None):
        assert model.segmentor.predict_head == 'decode'


def test_targets_that_have_heads():
    check_own_heads(build(), ['oslo', 'rome'])


def test_target_without_a_head():
    with pytest.raises(ConfigError, match="no head 'lima.decode'"):
        check_own_heads(build(), ['rome', 'lima'])


def test_model_with_one_head():
    with pytest.raises(ConfigError, match='no heads of targets'):
        check_own_heads(build(several=False), ['rome'])
