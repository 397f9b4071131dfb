"""Pseudo-labels that a teacher makes within an iteration."""

from dataclasses import replace
from types import SimpleNamespace

import gloo
import modern_goldens
import pytest
import torch
from mmengine.dist import get_rank
from tiny_models import batch, model_config

from mmuda.models.batch import Batch, DomainBatch
from mmuda.models.losses import averaging_over
from mmuda.models.online_labels import label_online
from mmuda.registry import MODELS

THRESHOLD = 0.968


@pytest.fixture(scope='module')
def goldens():
    return modern_goldens.load('pseudo')


def predicting(logits):
    """A method whose teacher predicts these logits."""
    teacher = SimpleNamespace(predict_logits=lambda images: logits)
    return SimpleNamespace(
        teacher=teacher,
        upsample=lambda logits, images: logits,
        show=lambda domain, **maps: None,
    )


def labelled(goldens, threshold=THRESHOLD, **known):
    logits = goldens['logits']
    target = DomainBatch(logits[:, :3], **known)
    return label_online(predicting(logits), target, threshold)


class TaughtBy(torch.nn.Module):
    """A teacher that predicts these logits."""

    def __init__(self, logits):
        super().__init__()
        self.predict_logits = lambda images: logits


def test_rows_that_do_not_count_equal_goldens(goldens):
    rows = dict(top=3, bottom=7)
    model = MODELS.build(
        model_config('DACS', two_heads=False, ignored_rows=rows)
    ).double()
    logits = goldens['logits']
    model.teacher = TaughtBy(logits)
    images = logits[:, :3]
    source = DomainBatch(images, labels=logits[:, 0].long() * 0)
    shown = Batch(source, {'target': DomainBatch(images, name='target')})
    next(model.target_steps(shown, 'target', {}))
    found = shown.pseudo_labelled['target']
    assert torch.equal(found.weights, goldens['weight_top3_bottom7'])


def test_labels_and_weights_equal_goldens(goldens):
    found = labelled(goldens)
    assert torch.equal(found.labels, goldens['pseudo_label'])
    modern_goldens.assert_golden(found.confidence, goldens['confidence'])
    assert torch.equal(found.weights, goldens['weight'])
    assert found.share == goldens['weight'].max()


@pytest.mark.parametrize('threshold', [0.5, 0.9, 0.99])
def test_shares_equal_goldens(goldens, threshold):
    found = labelled(goldens, threshold)
    assert found.share == goldens[f'q_at_{threshold}']


def test_region_sets_weights_but_not_the_share(goldens):
    region = goldens['valid_pseudo_mask'][:, 0] == 1
    found = labelled(goldens, region=region)
    assert torch.equal(found.weights, goldens['weight_valid_mask'])
    assert found.share == goldens['weight'].max()


def test_weights_are_one_without_a_threshold(goldens):
    assert (labelled(goldens, None).weights == 1).all()


def test_padding_is_neither_labelled_nor_counted(goldens):
    valid = torch.ones(2, 32, 48, dtype=torch.bool)
    valid[1, :, 20:] = False
    found = labelled(goldens, valid=valid)
    sure = goldens['confidence'][valid] >= THRESHOLD
    assert found.share == sure.double().mean()
    assert (found.labels[~valid] == 255).all()
    assert (found.weights[~valid] == 0).all()
    assert torch.equal(found.labels[valid], goldens['pseudo_label'][valid])


def test_teacher_of_a_method_labels_what_it_predicts():
    torch.manual_seed(0)
    model = MODELS.build(model_config('MinEnt', teacher=True)).train()
    images = torch.randn(2, 3, 33, 41)
    batch = Batch(DomainBatch(images), {'target': DomainBatch(images)})
    assert batch.pseudo_labelled == {}
    found = label_online(model, batch.targets['target'], 0.0)
    expected = model.upsample(model.teacher(images), images).argmax(dim=1)
    assert torch.equal(found.labels, expected)
    assert not found.confidence.requires_grad
    assert found.share == 1


def shares_of_a_process():
    goldens = modern_goldens.load('pseudo')
    logits = goldens['logits'][get_rank()][None]
    target = DomainBatch(logits[:, :3])
    shares = {}
    for over in ('batch', 'process'):
        with averaging_over(over):
            found = label_online(predicting(logits), target, THRESHOLD)
            shares[over] = found.share
    return shares


def test_share_is_that_of_all_processes(goldens, tmp_path):
    sure = goldens['confidence'] >= THRESHOLD
    for rank, shares in enumerate(gloo.run(shares_of_a_process, tmp_path)):
        assert shares['batch'] == goldens['weight'].max()
        assert shares['process'] == sure[rank].double().mean()


def test_mean_of_an_image_and_its_mirror_image(goldens):
    """As of VFM-UDA: of probabilities at full size, mirrored back."""
    torch.manual_seed(0)
    model = MODELS.build(
        model_config('DACS', two_heads=False, flip_average=True)
    )
    model.init_weights()
    images = torch.randn(2, 3, 33, 41)
    seen = []
    for view in (images, images.flip(3)):
        logits = model.teacher.predict_logits(view)
        seen.append(model.upsample(logits, view).softmax(dim=1))
    mean = (seen[0] + seen[1].flip(3)) / 2
    target = DomainBatch(images, name='target')
    found = label_online(model, target, None, flip_average=True)
    confidence, labels = mean.max(dim=1)
    assert found.confidence.equal(confidence)
    assert found.labels.equal(labels)
    assert not labels.equal(seen[0].argmax(dim=1))
    torch.testing.assert_close(
        label_online(
            model, replace(target, images=images.flip(3)), None, True
        ).confidence.flip(2),
        confidence,
    )


@pytest.mark.parametrize('flip', [False, True])
def test_dacs_labels_as_it_is_told(flip):
    torch.manual_seed(0)
    model = MODELS.build(
        model_config('DACS', two_heads=False, flip_average=flip)
    )
    model.init_weights()
    count = []
    predict = model.teacher.predict_logits
    model.teacher.predict_logits = lambda images: (
        count.append(len(images)) or predict(images)
    )
    data = batch(2, source_size=(33, 41))
    prepared = model.data_preprocessor(data, True)
    for _, losses in model.training_step(prepared):
        assert losses
    assert count == ([2, 2] if flip else [2])
