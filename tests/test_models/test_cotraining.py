"""The training of the co-training procedure against plain torch."""

import json

import pytest
import torch
import torch.nn.functional as F
from cotraining_models import DEMAND, SIZE, THRESHOLDS, batch, build
from cotraining_models import optimizers as build_optimizers
from mmengine.logging import MessageHub
from tiny_models import logits_of

HARDEST_FIRST = [3, 1, 4, 0, 2]


def processed(model, data):
    return model.data_preprocessor(data, True)


def step(model, data):
    yielded = list(model.training_step(processed(model, data)))
    assert [player for player, _ in yielded] == ['segmentor']
    return yielded[0][1]


def gradients(model, losses):
    model.zero_grad()
    total = sum(v for name, v in losses.items() if 'loss' in name)
    total.backward()
    return {n: p.grad for n, p in model.named_parameters() if p.requires_grad}


def plain_batch(data):
    """Images, labels and where source was pasted, class by class."""
    source, target = data.source, data.targets['target']
    images, labels, pasted = [], [], []
    count = len(source.images) - len(target.images)
    for i, image in enumerate(source.images):
        label = source.labels[i]
        where = torch.ones_like(label, dtype=torch.bool)
        if i >= count:
            present = set(label.flatten().tolist()) - {255}
            hard = [c for c in HARDEST_FIRST if c in present]
            where[:] = False
            for c in hard[: max(1, len(present) // 2)]:
                where |= label == c
            other = target.labels[i - count]
            label = torch.where(where, label, other)
            image = torch.where(where, image, target.images[i - count])
        images.append(image)
        labels.append(label)
        pasted.append(where)
    return tuple(map(torch.stack, (images, labels, pasted)))


def plain_losses(model, images, labels, weights=1.0):
    losses = {}
    logits = logits_of(model.segmentor, images)
    for head, loss_weight in (('decode', 1.0), ('aux', 0.1)):
        scores = F.interpolate(
            logits[head], SIZE, mode='bilinear', align_corners=True
        )
        pixels = weights * F.cross_entropy(
            scores, labels, ignore_index=255, reduction='none'
        )
        largest = pixels.flatten().sort(descending=True).values
        count = int(0.2 * largest.numel())
        losses[f'{head}.loss_ce'] = loss_weight * largest[:count].mean()
    return losses


def assert_equals_plain(options, data, make, **tolerance):
    model, plain = build(**options), build(**options)
    losses = step(model, data)
    data = processed(plain, data)
    expected = plain_losses(plain, *make(data))
    named = {n: v for n, v in losses.items() if 'loss' in n}
    torch.testing.assert_close(named, expected, **tolerance)
    torch.testing.assert_close(
        gradients(model, named), gradients(plain, expected), **tolerance
    )
    # one batch-norm batch: running statistics agree, too
    torch.testing.assert_close(
        dict(model.named_buffers()), dict(plain.named_buffers())
    )


@pytest.mark.parametrize('counts', [(4, 3), (4, 2), (2, 2)])
def test_mixed_step_equals_plain_torch(counts):
    options = dict(class_mix=DEMAND, thresholds=THRESHOLDS)
    assert_equals_plain(
        options, batch(*counts), lambda data: plain_batch(data)[:2]
    )


def test_pseudo_label_weight_leaves_pasted_pixels():
    def make(data):
        images, labels, pasted = plain_batch(data)
        return images, labels, torch.where(pasted, 1.0, 0.3)

    options = dict(class_mix=DEMAND, thresholds=THRESHOLDS)
    assert_equals_plain(
        options | dict(pseudo_label_weight=0.3), batch(4, 3), make
    )


def concatenated(data):
    parts = data.domains.values()
    images = torch.cat([part.images for part in parts])
    return images, torch.cat([part.labels for part in parts])


def test_step_without_mixing_equals_plain_torch():
    assert_equals_plain({}, batch(1, 3), concatenated)


def test_pseudo_labels_of_bytes_are_taken():
    data, plain = batch(1, 1), batch(1, 1)
    labels = data['data_samples']['target'][0].pseudo_sem_seg
    labels.data = labels.data.to(torch.uint8)
    torch.testing.assert_close(step(build(), data), step(build(), plain))


def test_random_classes_follow_the_seed():
    model = build(class_mix=dict(classes='random'))
    data = processed(model, batch(3, 3))
    batches = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        parts = data.domains.values()
        batches.append(model.training_batch(*parts).labels)
    assert torch.equal(batches[0], batches[1])
    assert not torch.equal(batches[0], batches[2])


def test_target_may_have_any_name():
    losses = step(build(), batch(target='cityscapes'))
    assert losses['decode.loss_ce'] > 0


def test_warm_up_sees_the_source_alone():
    MessageHub.get_current_instance().update_info('iter', 4)
    warm = step(build(warmup_iters=5), batch(2, 2))
    assert {n for n in warm if 'loss' in n} == {
        'source.decode.loss_ce',
        'source.aux.loss_ce',
    }


def test_train_step_logs_the_sum_and_moves_both_heads():
    model = build(class_mix=DEMAND, thresholds=THRESHOLDS)
    heads = (model.segmentor.decode_head, model.segmentor.auxiliary_head)
    before = [head.conv_seg.weight.clone() for head in heads]
    logs = model.train_step(batch(), build_optimizers(model))
    total = logs['decode.loss_ce'] + logs['aux.loss_ce']
    assert logs['loss.segmentor'].item() == pytest.approx(total.item())
    for head, old in zip(heads, before, strict=True):
        assert not torch.equal(head.conv_seg.weight, old)


@pytest.fixture
def manifest(tmp_path):
    """Thresholds of five classes, one of which was not predicted."""
    classes = ['a', 'b', 'c', 'd', 'e']
    values = dict(zip(classes, [0.8, 0.6, 0.9, None, 0.7], strict=True))
    path = tmp_path / 'manifest.json'
    # the order of the entries does not matter
    thresholds = dict(reversed(values.items()))
    path.write_text(json.dumps(dict(classes=classes, thresholds=thresholds)))
    return path


@pytest.mark.parametrize('folder', [True, False])
def test_thresholds_are_read_from_a_manifest(manifest, folder):
    path = str(manifest.parent if folder else manifest)
    expected = step(build(class_mix=DEMAND, thresholds=THRESHOLDS), batch())
    losses = step(build(class_mix=DEMAND, thresholds=path), batch())
    torch.testing.assert_close(losses, expected, rtol=0, atol=0)


def test_thresholds_by_name_are_taken():
    by_name = dict(zip('abcde', [0.8, 0.6, 0.9, None, 0.7], strict=True))
    expected = step(build(class_mix=DEMAND, thresholds=THRESHOLDS), batch())
    losses = step(build(class_mix=DEMAND, thresholds=by_name), batch())
    torch.testing.assert_close(losses, expected, rtol=0, atol=0)


def test_checkpoint_holds_no_thresholds():
    mixing = build(class_mix=DEMAND, thresholds=THRESHOLDS)
    assert mixing.state_dict().keys() == build().state_dict().keys()
