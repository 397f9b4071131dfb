import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import build_optim_wrapper
from tiny_models import (
    NUM_CLASSES,
    batch,
    logits_of,
    model_config,
    optim_config,
    source_batch,
)

from mmuda.models.losses import entropy_loss
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError


def build(method='MinEnt', **kwargs):
    torch.manual_seed(0)
    model = MODELS.build(model_config(method, **kwargs))
    model.init_weights()
    return model.train()


def train(model, method, *batches):
    wrappers = build_optim_wrapper(model, optim_config(method))
    return [model.train_step(data, wrappers) for data in batches]


def test_one_iteration_equals_a_plain_joint_backward():
    ours, reference = build(), build()
    train(ours, 'MinEnt', batch())
    data = reference.data_preprocessor(batch(), True)
    x_s, x_t = data.source.images, data.targets['target'].images
    label = data.source.labels
    z_s, z_t = (
        logits_of(reference.segmentor, x_s),
        logits_of(reference.segmentor, x_t),
    )
    loss = sum(
        seg * F.cross_entropy(reference.upsample(z_s[head], x_s), label)
        + ent * entropy_loss(reference.upsample(z_t[head], x_t))
        for head, seg, ent in (('decode', 1, 0.1), ('aux', 0.1, 0.02))
    )
    loss.backward()
    wrappers = build_optim_wrapper(reference, optim_config('MinEnt'))
    wrappers['segmentor'].step()
    for (name, a), b in zip(
        ours.state_dict().items(),
        reference.state_dict().values(),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6, msg=name)


def test_single_head_model_trains():
    model = build(two_heads=False)
    (logs,) = train(model, 'MinEnt', batch())
    assert logs['target.decode.loss_entropy'].isfinite()


def test_entropy_range_uses_the_top_fraction():
    model = build(top_fraction=0.3)
    data = model.data_preprocessor(batch(), True)
    images = data.targets['target'].images
    losses = model.losses_on(data.targets['target'], {})
    logits = logits_of(model.segmentor, images)['decode']
    expected = 0.1 * entropy_loss(model.upsample(logits, images), 0.3)
    torch.testing.assert_close(losses['target.decode.loss_entropy'], expected)


def prior(ratio, **kwargs):
    return dict(type='ClassRatioPrior', ratio=ratio, **kwargs)


def test_class_ratio_prior_counts_are_normalised():
    model = build(class_ratio_prior=prior([2, 1, 1, 0, 0]))
    assert model.class_ratio_prior.ratio.tolist() == [0.5, 0.25, 0.25, 0, 0]


def test_class_ratio_prior_is_read_from_a_file(tmp_path):
    file = tmp_path / 'ratio.json'
    file.write_text('[4, 1, 1, 1, 1]')
    model = build(class_ratio_prior=prior(str(file)))
    assert model.class_ratio_prior.ratio[0].item() == 0.5


def test_missing_class_ratio_file_names_the_tool():
    with pytest.raises(ConfigError, match='CONFIG --ratios'):
        build(class_ratio_prior=prior('missing.json'))


@pytest.mark.parametrize('method', ['MinEnt', 'AdvEnt'])
def test_class_ratio_prior_is_added(method):
    config = prior([1] * NUM_CLASSES, weight=3.0, relaxation=1.0)
    model = build(method, class_ratio_prior=config)
    data = model.data_preprocessor(batch(), True)
    images = data.targets['target'].images
    losses = model.losses_on(data.targets['target'], {})
    p = model.upsample(
        logits_of(model.segmentor, images)['decode'], images
    ).softmax(1)
    expected = 3 * (0.2 - p.mean(dim=(0, 2, 3))).relu().sum()
    torch.testing.assert_close(
        losses['target.decode.loss_class_ratio'], expected
    )


def test_class_ratio_prior_of_another_class_count_is_refused():
    with pytest.raises(ConfigError, match='2 values; the segmentor has 5'):
        build(class_ratio_prior=prior([1, 2]))


@pytest.mark.parametrize('value', [0.0, 1.5])
def test_top_fraction_out_of_range_is_refused(value):
    with pytest.raises(ConfigError, match='top_fraction'):
        build(top_fraction=value)


@pytest.mark.parametrize('warmup_iters', [0, 100])
def test_batch_without_target_is_refused_even_in_warm_up(warmup_iters):
    with pytest.raises(ConfigError, match='no target domain'):
        train(build(warmup_iters=warmup_iters), 'MinEnt', source_batch())


def test_source_only_trains_on_the_source():
    model = build('SourceOnly')
    (logs,) = train(model, 'SourceOnly', source_batch())
    assert list(logs)[0] == 'loss.segmentor'


def test_source_only_refuses_target_images():
    with pytest.raises(ConfigError, match='must not see target'):
        train(build('SourceOnly'), 'SourceOnly', batch())


def test_warm_up_equals_source_only_in_weights_and_statistics():
    warming, source_only = build(warmup_iters=1), build('SourceOnly')
    train(warming, 'MinEnt', batch())
    train(source_only, 'SourceOnly', source_batch())
    for name, value in warming.state_dict().items():
        assert torch.equal(value, source_only.state_dict()[name]), name


@pytest.mark.parametrize('content', ['[]', '[0, 0]', '[1, -1]'])
def test_a_file_of_wrong_ratios_is_named(tmp_path, content):
    file = tmp_path / 'ratios.json'
    file.write_text(content)
    with pytest.raises(ConfigError, match=f"'{file}' must be a list"):
        MODELS.build(dict(type='ClassRatioPrior', ratio=str(file)))
