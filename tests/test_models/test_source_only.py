"""The lower bound, as it is and under the augmentation of other methods."""

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from tiny_models import model_config, optim_config, source_batch

from mmuda.models.augmentation import StrongAugmentation
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

MEAN = STD = 127.5


def build(**options):
    torch.manual_seed(3)
    model = MODELS.build(model_config('SourceOnly', **options))
    model.init_weights()
    return model.train()


def optimizer_of(model):
    return build_optim_wrapper(model, optim_config('SourceOnly'))


def train(model, data):
    """One iteration; gives its log."""
    torch.manual_seed(7)
    return model.train_step(data, optimizer_of(model))


def test_images_are_augmented_as_drawn():
    options = dict(strength=0.2, jitter_probability=1.0, blur_probability=1.0)
    ours, plain = build(augmentation=options), build()
    log = train(ours, source_batch(count=2))
    source = plain.data_preprocessor(source_batch(count=2), True).source
    torch.manual_seed(7)
    draws = StrongAugmentation(**options).draw(2)
    images = StrongAugmentation.apply(source.images, draws, MEAN, STD)
    prediction = plain.segmentor(images, heads=plain.network.heads())
    losses = plain.network.losses(prediction, source.labels)
    total = sum(v for k, v in losses.items() if 'loss' in k)
    optimizer_of(plain)['segmentor'].update_params(total)
    assert log['source.decode.loss_ce'].item() == pytest.approx(
        losses['decode.loss_ce'].item(), rel=1e-6
    )
    torch.testing.assert_close(ours.state_dict(), plain.state_dict())


def test_by_default_images_stay_as_they_are():
    never = dict(jitter_probability=0, blur_probability=0)
    ours, plain = build(), build(augmentation=never)
    for model in (ours, plain):
        train(model, source_batch(count=2))
    torch.testing.assert_close(
        ours.state_dict(), plain.state_dict(), rtol=0, atol=0
    )


def test_averaged_weights_predict():
    model = build(teacher=True, predict_on='teacher')
    assert model.predictor is model.teacher


def test_unknown_option_is_refused():
    with pytest.raises(ConfigError, match="there is no 'strenght'"):
        build(augmentation=dict(strenght=0.2))
