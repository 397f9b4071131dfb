"""Weights of classes, which count for true labels and not for pseudo-labels.

Pseudo-labels that weigh by class as well name rare classes more with each
iteration: on IDDA -> Cityscapes DACS lost four points of mIoU by it.
"""

import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import build_optim_wrapper
from mmengine.structures import PixelData
from tiny_models import (
    NUM_CLASSES,
    batch,
    model_config,
    optim_config,
    segmentor_config,
)

from mmuda.models.losses import HardPixelCrossEntropyLoss
from mmuda.models.segmentors import Box, Prediction
from mmuda.registry import MODELS
from mmuda.utils.setup_env import register_all_modules

SIZE = (33, 49)
WEIGHTS = [1.0, 2.0, 0.5, 3.0, 1.5]
PSEUDO = 3
METHODS = dict(
    DACS={},
    MIC=dict(
        type='DACS',
        terms=[dict(type='MaskedConsistency', block_size=8)],
    ),
    MIC_separate=dict(
        type='SourceOnly',
        terms=[dict(type='MaskedConsistency', block_size=8, mode='separate')],
    ),
    ESL=dict(type='AdvEnt', terms=[dict(type='PseudoLabels', weight=0.5)]),
    SelfTraining={},
    CoTraining=dict(pseudo_label_weight=0.7),
    CoTraining_mixed=dict(type='CoTraining', class_mix=dict(classes='random')),
    CoTraining_alike=dict(type='CoTraining'),
)
HARD = dict(type='HardPixelCrossEntropyLoss', portion=0.5)
CROSS_ENTROPY = dict(type='CrossEntropyLoss', avg_non_ignore=True)


def network(class_weight, **loss):
    register_all_modules()
    torch.manual_seed(0)
    config = segmentor_config(two_heads=False)
    config['decode_head']['loss_decode'] = dict(
        loss or CROSS_ENTROPY, class_weight=class_weight, loss_weight=0.5
    )
    return MODELS.build(config)


def drawn():
    generator = torch.Generator().manual_seed(0)
    size = (2, 16, 24)
    logits = torch.randn(2, NUM_CLASSES, 16, 24, generator=generator)
    labels = torch.randint(0, NUM_CLASSES, size, generator=generator)
    labels[:, :3] = 255
    pseudo = torch.rand(size, generator=generator) < 0.6
    return logits, labels, torch.rand(size, generator=generator), pseudo


def by_hand(logits, labels, weights, pseudo):
    """Sum of w c CE over the sum of c, pixel by pixel."""
    total = count = 0.0
    losses = F.cross_entropy(logits, labels.clamp(max=4), reduction='none')
    for place in (labels != 255).nonzero():
        n, y, x = place
        factor = 1.0 if pseudo[n, y, x] else WEIGHTS[labels[n, y, x]]
        total += float(weights[n, y, x] * factor * losses[n, y, x])
        count += factor
    return 0.5 * total / count


@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize('box', [None, Box(2, 10, 5, 21)])
def test_true_labels_weigh_by_class_and_pseudo_labels_do_not(weighted, box):
    logits, labels, weights, pseudo = drawn()
    weights = weights if weighted else torch.ones_like(weights)
    boxes = {} if box is None else dict(decode=box)
    if box is not None:
        logits = logits[:, :, 2:10, 5:21]
    losses = network(WEIGHTS).losses(
        Prediction(dict(decode=logits), boxes=boxes),
        labels,
        weights if weighted else None,
        pseudo,
    )
    if box is not None:
        labels, weights, pseudo = (
            values[:, 2:10, 5:21] for values in (labels, weights, pseudo)
        )
    expected = by_hand(logits, labels, weights, pseudo)
    assert losses['decode.loss_ce'].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize('nowhere', [False, True])
def test_without_pseudo_labels_it_is_the_loss_of_torch(nowhere):
    """Where pixels are ignored, too, which mmseg 1.2.2 fails on."""
    logits, labels, _, pseudo = drawn()
    assert (labels == 255).any()
    model, prediction = network(WEIGHTS), Prediction(dict(decode=logits))
    maps = (None, pseudo & False) if nowhere else ()
    found = model.losses(prediction, labels, *maps)['decode.loss_ce']
    weights = torch.tensor(WEIGHTS)
    expected = F.cross_entropy(logits, labels, weights, ignore_index=255)
    torch.testing.assert_close(found, 0.5 * expected)


def test_nothing_but_pseudo_labels_is_the_plain_mean_of_labelled_pixels():
    logits, labels, weights, pseudo = drawn()
    prediction = Prediction(dict(decode=logits))
    plain = network(None).losses(prediction, labels, weights)
    found = network(WEIGHTS).losses(prediction, labels, weights, pseudo | True)
    torch.testing.assert_close(plain, found)


def test_without_a_label_the_loss_is_zero():
    logits, labels, weights, pseudo = drawn()
    logits.requires_grad_()
    labels[:] = 255
    prediction = Prediction(dict(decode=logits))
    losses = network(WEIGHTS).losses(prediction, labels, weights, pseudo)
    losses['decode.loss_ce'].backward()
    assert losses['decode.loss_ce'] == 0
    assert not logits.grad.any()


def test_the_hardest_pixels_are_chosen_by_the_same_weights():
    logits, labels, weights, pseudo = drawn()
    losses = network(WEIGHTS, **HARD).losses(
        Prediction(dict(decode=logits)), labels, weights, pseudo
    )
    factors = torch.tensor([*WEIGHTS, *[0.0] * 251])[labels]
    factors = factors.where(~pseudo | (labels == 255), 1)
    pixels = HardPixelCrossEntropyLoss(reduction='none')(logits, labels)
    hardest = (weights * factors * pixels).flatten().sort().values[-384:]
    torch.testing.assert_close(losses['decode.loss_ce'], hardest.mean() / 2)


def data():
    """True labels are 0 to 2, and pseudo-labels are all another class."""
    found = batch(2, 0, SIZE, SIZE)
    samples = found['data_samples']
    for source, target in zip(
        samples['source'], samples['target'], strict=True
    ):
        source.gt_sem_seg.data %= 3
        label = torch.full((1, *SIZE), PSEUDO)
        target.pseudo_sem_seg = PixelData(data=label)
    return found


def losses_of(method, class_weight, loss):
    """Losses of an iteration of a method whose teacher sees one class."""
    register_all_modules()
    torch.manual_seed(0)
    options = dict(type=method) | METHODS[method]
    segmentor = segmentor_config(norm_eval=True)
    for head in ('decode_head', 'auxiliary_head'):
        segmentor[head]['loss_decode'] = dict(loss, class_weight=class_weight)
    kind = options.pop('type')
    model = MODELS.build(model_config(kind, segmentor=segmentor, **options))
    model.init_weights()
    for weight in model.segmentor.parameters():
        if weight.dim() == 4:
            torch.nn.init.kaiming_normal_(weight)
    if model.teacher is not None:
        model.teacher.decode_head.conv_seg.bias.data[PSEUDO] = 50
    optimizers = build_optim_wrapper(model, optim_config(kind))
    logs = model.train().train_step(data(), optimizers)
    return {
        name: value.item() for name, value in logs.items() if 'loss_' in name
    }


@pytest.mark.parametrize('loss', [CROSS_ENTROPY, HARD], ids=['all', 'hard'])
@pytest.mark.parametrize('method', METHODS)
def test_no_method_weighs_pseudo_labels_by_class(method, loss):
    found = losses_of(method, WEIGHTS, loss)
    same = losses_of(method, [1.0, 2.0, 0.5, 30.0, 1.5], loss)
    assert same == pytest.approx(found, rel=1e-5)
    other = losses_of(method, [1.0, 2.0, 5.0, 3.0, 1.5], loss)
    assert other != pytest.approx(found, rel=1e-2)
