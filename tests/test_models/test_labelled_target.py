"""A few labels of a target in an iteration, beside plain PyTorch."""

import copy
import warnings

import collaborative_models
import dacs_models
import gloo
import pytest
import several_targets
import torch
import torch.nn.functional as F
from mmengine.dist import get_rank
from mmengine.optim import build_optim_wrapper
from small_leaves import batch_of, load, small_model
from tiny_models import (
    batch,
    logits_of,
    model_config,
    optim_config,
    sample,
    segmentor_config,
    source_batch,
)

from mmuda.models import UDADistributedDataParallel
from mmuda.models.augmentation import StrongAugmentation
from mmuda.models.losses import entropy_loss
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.setup_env import register_all_modules

CLASS_WEIGHT = [0.5, 1.0, 2.0, 1.0, 3.0]
DOMAIN = 'labelled_target'


def with_labels(data, count=1, seed=5, size=(33, 41), ignored=7):
    """A batch and, last, target images with labels, some of them 255."""
    generator = torch.Generator().manual_seed(seed)
    pairs = [sample(size, generator, True) for _ in range(count)]
    for _, data_sample in pairs:
        data_sample.gt_sem_seg.data[:, -ignored:] = 255
    data['inputs'][DOMAIN] = [image for image, _ in pairs]
    data['data_samples'][DOMAIN] = [data_sample for _, data_sample in pairs]
    return data


def build(method='MinEnt', norm_eval=False, class_weight=None, **kwargs):
    register_all_modules()
    torch.manual_seed(0)
    segmentor = segmentor_config(norm_eval=norm_eval)
    for head in ('decode_head', 'auxiliary_head'):
        segmentor[head]['loss_decode']['class_weight'] = class_weight
    model = MODELS.build(model_config(method, segmentor=segmentor, **kwargs))
    model.init_weights()
    return model.train()


def train(model, method, *batches):
    wrappers = build_optim_wrapper(model, optim_config(method))
    return [model.train_step(data, wrappers) for data in batches]


def same_state(first, second):
    return all(
        torch.equal(value, second.state_dict()[name])
        for name, value in first.state_dict().items()
    )


def supervised(model, images, labels):
    """Cross entropy of both heads with class weights, in plain PyTorch."""
    weight = torch.tensor(CLASS_WEIGHT)
    logits = logits_of(model.segmentor, images)
    total = 0
    for head, factor in (('decode', 1.0), ('aux', 0.1)):
        full = F.interpolate(
            logits[head], labels.shape[1:], mode='bilinear', align_corners=True
        )
        total += factor * F.cross_entropy(
            full, labels, weight, ignore_index=255
        )
    return total


def test_an_iteration_equals_a_plain_joint_backward():
    options = dict(class_weight=CLASS_WEIGHT, labelled_target_weight=0.3)
    ours, reference = build(**options), build(**options)
    train(ours, 'MinEnt', with_labels(batch(2), 2))
    data = reference.data_preprocessor(with_labels(batch(2), 2), True)
    target, few = data.targets['target'].images, data.labelled_target
    loss = supervised(reference, data.source.images, data.source.labels)
    logits = logits_of(reference.segmentor, target)
    for head, weight in (('decode', 0.1), ('aux', 0.02)):
        full = reference.upsample(logits[head], target)
        loss = loss + weight * entropy_loss(full)
    loss = loss + 0.3 * supervised(reference, few.images, few.labels)
    loss.backward()
    build_optim_wrapper(reference, optim_config('MinEnt'))['segmentor'].step()
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(
            value, reference.state_dict()[name], rtol=1e-4, atol=1e-6, msg=name
        )


def test_what_it_teaches_is_logged_by_itself():
    model = build(labelled_target_weight=0.5, norm_eval=True)
    data = model.data_preprocessor(with_labels(batch()), True)
    expected = (
        0.5
        * model.segmentor.losses(
            model.segmentor(
                data.labelled_target.images, heads=model.segmentor.heads()
            ),
            data.labelled_target.labels,
        )['decode.loss_ce'].detach()
    )
    (logs,) = train(model, 'MinEnt', with_labels(batch()))
    torch.testing.assert_close(
        logs['labelled_target.decode.loss_ce'], expected
    )
    parts = [v for k, v in logs.items() if 'loss' in k and k[:5] != 'loss.']
    torch.testing.assert_close(logs['loss.segmentor'], sum(parts))


@pytest.mark.parametrize('method', ['MinEnt', 'AdvEnt'])
def test_weight_zero_equals_a_training_without(method):
    few, plain = build(method, labelled_target_weight=0), build(method)
    train(few, method, with_labels(batch()), with_labels(batch(seed=1)))
    train(plain, method, batch(), batch(seed=1))
    assert same_state(few, plain)


def test_chance_of_the_method_is_that_of_a_training_without():
    """What DACS mixes, jitters and learns of it in the first iteration."""
    logs = []
    for data in (
        dacs_models.mixable(),
        with_labels(dacs_models.mixable(), size=dacs_models.SIZE),
    ):
        model = dacs_models.build()
        torch.manual_seed(3)
        wrappers = dacs_models.optimizers(model)
        logs.append(model.train_step(data, wrappers))
    plain, few = logs
    more = {name for name in few if name not in plain}
    assert more
    assert all(name.startswith(DOMAIN) for name in more)
    for name in plain.keys() - {'loss.segmentor'}:
        assert torch.equal(plain[name], few[name]), name


def test_it_is_learned_while_a_method_warms_up():
    (logs,) = train(build(warmup_iters=9), 'MinEnt', with_labels(batch()))
    assert 'labelled_target.decode.loss_ce' in logs
    assert 'target.decode.loss_entropy' not in logs


def test_source_only_takes_it_beside_the_source():
    model = build('SourceOnly')
    data = with_labels(batch())
    for values in data.values():
        del values['target']
    (logs,) = train(model, 'SourceOnly', data)
    assert logs['labelled_target.decode.loss_ce'] > 0


def test_images_are_augmented_as_those_of_the_source():
    sure = dict(strength=0.2, jitter_probability=1.0, blur_probability=1.0)
    model = build('SourceOnly', augmentation=sure)
    data = model.data_preprocessor(with_labels(source_batch(count=2), 2), True)
    few = data.labelled_target
    torch.manual_seed(7)
    augmentation = StrongAugmentation(**sure)
    augmentation.draw(2)  # for the source
    images = StrongAugmentation.apply(
        few.images, augmentation.draw(2), 127.5, 127.5
    )
    expected, plain = (
        model.segmentor.losses(
            model.segmentor(shown, heads=model.segmentor.heads()), few.labels
        )['decode.loss_ce'].item()
        for shown in (images, few.images)
    )
    torch.manual_seed(7)
    (logs,) = train(model, 'SourceOnly', with_labels(source_batch(count=2), 2))
    learned = logs['labelled_target.decode.loss_ce'].item()
    assert learned == pytest.approx(expected, rel=1e-6)
    assert learned != pytest.approx(plain, rel=1e-4)


def first_step(leaf, weight):
    """Log and weights after a step, with labels of as many target images."""
    model = small_model(leaf)
    model.warmup_iters, model.labelled_target_weight = 0, weight
    data = batch_of(leaf)
    for values in data.values():
        values[DOMAIN] = copy.deepcopy(values['source'][::-1])
    optimizers = build_optim_wrapper(model, load(leaf).optim_wrapper)
    torch.manual_seed(4)
    return model.train_step(data, optimizers), model


@pytest.mark.parametrize(
    'leaf',
    [
        'esl/ssl_synthia2cs.py',
        'cotraining/cotraining_final_deeplabv2_gta2cs.py',
        'mtda/multi_dis_deeplabv2-r101_g2cmi.py',
        'daformer/daformer_deeplabv2_gta2cs.py',
        'hrda/hrda_efficientnet-lite0_idda2cs256.py',
        'mic/mic_hrda_efficientnet-lite0_idda2cs256.py',
    ],
)
def test_every_kind_of_method_learns_it_beside_its_own(leaf):
    (logs, model), (weighted, other) = (
        first_step(leaf, weight) for weight in (1.0, 0.25)
    )
    assert logs.keys() == weighted.keys()
    more = [k for k in logs if k.startswith(DOMAIN) and 'loss' in k]
    assert more
    for name in more:
        assert logs[name] > 0
        torch.testing.assert_close(weighted[name], 0.25 * logs[name])
    for name in logs.keys() - {*more, 'loss.segmentor'}:
        assert torch.equal(logs[name], weighted[name]), name
    assert not same_state(model, other)


def test_several_targets_of_one_network():
    model = build('AdvEnt')
    data = with_labels(several_targets.several(2))
    (logs,) = train(model, 'AdvEnt', data)
    assert logs['labelled_target.aux.loss_ce'] > 0
    assert logs['oslo.decode.loss_adversarial'] > 0


@pytest.mark.parametrize(
    'method', ['MTKT', 'MultiHeadAdvEnt', 'CCL', 'CoaST', 'MLCL']
)
def test_heads_and_networks_of_a_target_are_refused(method):
    model = collaborative_models.build(method)
    data = with_labels(several_targets.softly_labelled(2))
    with pytest.raises(ConfigError, match=f'{method} does not learn labels'):
        model.train_step(data, several_targets.optimizers(model))


def test_images_without_labels_are_named():
    data = with_labels(batch())
    for data_sample in data['data_samples'][DOMAIN]:
        del data_sample.gt_sem_seg
    with pytest.raises(DataError, match="of 'labelled_target'"):
        train(build(), 'MinEnt', data)


@pytest.mark.parametrize('weight', [-1, 'much', float('nan')])
def test_a_weight_that_is_none(weight):
    with pytest.raises(ConfigError, match=r'model\.labelled_target_weight'):
        build(labelled_target_weight=weight)


def part(data, index):
    return {
        key: {domain: [items[index]] for domain, items in value.items()}
        for key, value in data.items()
    }


def train_rank(method):
    warnings.simplefilter('error', UserWarning)
    model = UDADistributedDataParallel(build(method, norm_eval=True))
    data = with_labels(batch(2), 2)
    # Processes with other numbers of labelled pixels.
    data['data_samples'][DOMAIN][0].gt_sem_seg.data[:, 9:] = 255
    train(model, method, part(data, get_rank()))
    return model.module.state_dict()


def test_two_processes_equal_one_with_twice_the_batch(tmp_path):
    first, second = gloo.run(train_rank, tmp_path, 'AdvEnt')
    model = build('AdvEnt', norm_eval=True)
    data = with_labels(batch(2), 2)
    data['data_samples'][DOMAIN][0].gt_sem_seg.data[:, 9:] = 255
    train(model, 'AdvEnt', data)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(
            value, first[name], rtol=0, atol=1e-6, msg=name
        )
        assert torch.equal(first[name], second[name]), name
