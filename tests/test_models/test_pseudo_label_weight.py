"""Losses on pseudo-labels as in the published code, which counts them more.

There the mask of labelled pixels is (N, 1, h, w) and the losses are (N, h, w),
so that the products pair each image with each other one of the batch.
"""

import pytest
import torch
import torch.nn.functional as F
from collaborative_models import build
from several_targets import NAMES, optimizers, softly_labelled
from tiny_models import NUM_CLASSES

from mmuda.models.losses import class_entropy_mask

SIZE = (20, 30)


def gaps(own, others):
    """Divergences of heads from the own one, (N, h, w)."""
    p = own.detach().log_softmax(1)
    return [(p.exp() * (p - z.log_softmax(1))).sum(1) for z in others]


def published_coast(own, others, labels, gamma):
    """Its loss in the own and in other styles, with consistency.

    The cross entropy is a number, the mean over all labelled pixels.
    """
    mask = (labels != 255)[:, None].float()
    divergences = gaps(own, others)
    w = sum((-gamma * d.detach()).exp() for d in divergences) / len(others)
    entropy = F.cross_entropy(own, labels, ignore_index=255)
    styled = sum(F.cross_entropy(z, labels, ignore_index=255) for z in others)
    pseudo = (entropy * w * mask).sum() / mask.sum()
    style = ((styled * w + sum(divergences)) * mask).sum() / mask.sum()
    return pseudo, style / len(others)


def published_mlcl(own, others, joint, labels, gamma):
    """Its individual, ensemble and collaborative loss, in this order."""
    mask = (labels != 255)[:, None].float()
    w = sum((-gamma * d).exp() for d in gaps(own, others)) / len(others)
    losses = [
        F.cross_entropy(z, labels, ignore_index=255, reduction='none')
        for z in (own, joint)
    ]
    losses.append(
        sum(
            F.cross_entropy(z, labels, ignore_index=255, reduction='none')
            for z in others
        )
    )
    means = [(loss * w * mask).sum() / mask.sum() for loss in losses]
    return means[0], means[1], means[2] / len(others)


def drawn(images, heads, labelled=1.0, seed=0):
    """Logits that agree roughly, and labels of a share of the pixels."""
    generator = torch.Generator().manual_seed(seed)
    shape = (images, NUM_CLASSES, *SIZE)
    common = 2 * torch.randn(shape, generator=generator)
    logits = [
        common + torch.randn(shape, generator=generator) for _ in range(heads)
    ]
    soft = (common + torch.randn(shape, generator=generator)).softmax(1)
    kept = torch.rand((images, *SIZE), generator=generator) < labelled
    return logits, soft, torch.where(kept, soft.argmax(1), 255)


def coast(images, targets, labelled=1.0, seed=0, **options):
    """Our losses and the published ones."""
    logits, _, labels = drawn(images, targets, labelled, seed)
    model = build('CoaST', targets, **options)
    heads = [f'{name}.decode' for name in NAMES[1:targets]]
    styled = dict(zip(heads, logits[1:], strict=True))
    losses = model.pseudo_label_losses(logits[0], styled, labels)
    theirs = published_coast(logits[0], logits[1:], labels, model.gamma)
    return losses, theirs


def mlcl(images, targets, labels=None, labelled=1.0, seed=0, **options):
    """Our losses and the published ones, in their order."""
    logits, _, drawn_labels = drawn(images, targets + 1, labelled, seed)
    labels = drawn_labels if labels is None else labels
    model = build('MLCL', targets, ensemble_weight=1.0, **options)
    names = [f'{name}.decode' for name in NAMES[:targets]] + ['ensemble']
    by_head = dict(zip(names, logits, strict=True))
    losses = model.learning_losses(by_head, labels, 'rome')
    own, *others, joint = logits
    theirs = published_mlcl(own, others, joint, labels, model.gamma)
    ours = ('loss_individual', 'loss_ensemble', 'loss_collaborative')
    return [losses[name] for name in ours], theirs


@pytest.mark.parametrize('images', [1, 2, 4])
@pytest.mark.parametrize('targets', [2, 3])
def test_published_coast_is_the_batch_times_ours(images, targets):
    """Exactly so where pixels count alike and all are labelled."""
    losses, (pseudo, style) = coast(
        images, targets, gamma=0.0, pseudo_label_weight=float(images)
    )
    torch.testing.assert_close(losses['loss_pseudo'], pseudo)
    torch.testing.assert_close(
        losses['loss_style'] + losses['loss_consistency'], style
    )


@pytest.mark.parametrize('images', [1, 2, 4])
@pytest.mark.parametrize('targets', [2, 3])
@pytest.mark.parametrize('gamma', [0.0, 1.0])
def test_published_mlcl_is_the_batch_times_ours(images, targets, gamma):
    """Exactly so where all pixels are labelled, whatever they weigh."""
    ours, theirs = mlcl(
        images, targets, gamma=gamma, pseudo_label_weight=float(images)
    )
    torch.testing.assert_close(ours, list(theirs))


@pytest.mark.parametrize('seed', [0, 1])
@pytest.mark.parametrize('targets', [2, 3])
def test_published_coast_at_its_batch_counts_four_times(targets, seed):
    """A tenth is cut out, and heads disagree where the labels are hard."""
    losses, theirs = coast(4, targets, labelled=0.9, seed=seed)
    ours = (
        losses['loss_pseudo'],
        losses['loss_style'] + losses['loss_consistency'],
    )
    for a, b in zip(ours, theirs, strict=True):
        assert 3.6 < (b / a).item() < 4.5


@pytest.mark.parametrize('share', [0.3, 0.57, 0.8])
@pytest.mark.parametrize('seed', [0, 1])
def test_published_mlcl_counts_by_the_share_of_labelled_pixels(share, seed):
    """1 + (N - 1) q times: 2.7 at four images and q = 57 %."""
    ours, theirs = mlcl(4, 2, labelled=share, seed=seed)
    for a, b in zip(ours, theirs, strict=True):
        assert (b / a).item() == pytest.approx(1 + 3 * share, rel=0.05)


def test_published_mlcl_with_the_entropy_mask():
    """Labels as MLCL chooses them; about half of the pixels."""
    _, soft, _ = drawn(4, 3)
    labels = class_entropy_mask(soft)
    share = (labels != 255).float().mean().item()
    ours, theirs = mlcl(4, 2, labels=labels)
    for a, b in zip(ours, theirs, strict=True):
        assert (b / a).item() == pytest.approx(1 + 3 * share, rel=0.1)


@pytest.mark.parametrize('method', ['CoaST', 'MLCL'])
def test_the_factor_is_one_by_default(method):
    assert build(method).pseudo_label_weight == 1


@pytest.mark.parametrize(
    ('method', 'names'),
    [
        ('CoaST', {'pseudo', 'style', 'consistency'}),
        ('MLCL', {'individual', 'collaborative', 'ensemble'}),
    ],
)
def test_the_factor_is_of_the_losses_on_pseudo_labels_alone(method, names):
    logs = []
    for weight in (1.0, 3.0):
        model = build(method, pseudo_label_weight=weight)
        logs.append(model.train_step(softly_labelled(2), optimizers(model)))
    changed = set()
    for name, loss in logs[0].items():
        domain, _, kind = name.partition('.loss_')
        factor = 3 if domain in NAMES and kind in names else 1
        if not name.startswith('loss.'):
            torch.testing.assert_close(logs[1][name], factor * loss)
            changed |= {kind} if factor == 3 else set()
    assert changed == names
