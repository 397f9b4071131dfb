"""ClassMix as DACS and its successors do it."""

import gloo
import modern_goldens
import pytest
import torch
from mmengine.dist import get_rank

from mmuda.models.batch import DomainBatch
from mmuda.models.losses import averaging_over
from mmuda.models.mixing import halves_of_classes, mix_classes
from mmuda.utils.errors import ConfigError


@pytest.fixture(scope='module')
def goldens():
    return modern_goldens.load('classmix')


def table(*chosen):
    """Chosen ids of each image as they are drawn, (N, 256)."""
    rows = torch.zeros(len(chosen), 256, dtype=torch.bool)
    for row, ids in zip(rows, chosen, strict=True):
        row[ids] = True
    return rows


def domains(goldens, images=slice(None)):
    source = DomainBatch(
        goldens['source'][images], goldens['label'][images, 0]
    )
    target = DomainBatch(
        goldens['target'][images],
        goldens['pseudo_label'][images],
        goldens['pseudo_weight'][images],
    )
    return source, target


def test_mixed_batch_equals_goldens(goldens):
    chosen = table(goldens['chosen_0'], goldens['chosen_1'])
    mixed, pasted = mix_classes(*domains(goldens), chosen)
    assert torch.equal(pasted, goldens['mask'][:, 0] == 1)
    assert torch.equal(mixed.images, goldens['mixed_image'])
    assert torch.equal(mixed.labels, goldens['mixed_label'][:, 0])
    assert torch.equal(mixed.weights, goldens['mixed_weight'][:, 0])


@pytest.mark.parametrize('image', range(2))
def test_classes_of_one_image_equal_goldens(goldens, image):
    chosen = table(goldens[f'dacs_chosen_{image}'])
    mixed, pasted = mix_classes(
        *domains(goldens, slice(image, image + 1)), chosen
    )
    assert torch.equal(pasted[0], goldens[f'dacs_mask_{image}'][0] == 1)
    assert torch.equal(mixed.images[0], goldens[f'dacs_mixed_image_{image}'])
    assert torch.equal(mixed.labels[0], goldens[f'dacs_mixed_label_{image}'])


@pytest.mark.parametrize('of', ['batch', 'image'])
def test_halves_are_of_the_classes_of_the_goldens(goldens, of):
    labels = goldens['label'][:, 0]
    chosen = halves_of_classes(labels, of)
    for image in range(2):
        name = 'batch_classes' if of == 'batch' else f'dacs_classes_{image}'
        present = goldens[name].tolist()
        ids = chosen[image].nonzero().flatten().tolist()
        assert set(ids) <= set(present)
        assert len(ids) == (len(present) + 1) // 2


def test_numbers_of_classes_equal_goldens(goldens):
    for classes, count in goldens['n_chosen_for_n_classes'].tolist():
        labels = torch.arange(classes)[None, None]
        assert halves_of_classes(labels).sum() == count


@pytest.mark.parametrize('of', ['batch', 'image'])
def test_every_class_is_chosen_equally_often(of):
    torch.manual_seed(0)
    labels = torch.tensor([0, 3, 18, 255]).expand(400, 1, 4)
    chosen = halves_of_classes(labels, of)
    assert (chosen.sum(dim=1) == 2).all()
    # 200 expected of a hypergeometric draw, standard deviation 10
    counts = chosen.sum(dim=0)
    assert (counts[[0, 3, 18, 255]] - 200).abs().max() < 35
    assert counts.sum() == 800


def test_the_global_generator_decides_by_default():
    labels = torch.arange(19).expand(2, 1, 19)
    torch.manual_seed(4)
    first = halves_of_classes(labels)
    torch.manual_seed(4)
    assert torch.equal(halves_of_classes(labels), first)
    assert not torch.equal(halves_of_classes(labels), first)
    assert not torch.equal(*first)


# Each process has a class of its own; 0, 1 and 2 are in both.
LABELS = torch.tensor([[[0, 1, 2, 3]], [[0, 1, 2, 7]]])


def halves_of_a_process():
    own = LABELS[get_rank()][None].expand(60, 1, 4)
    torch.manual_seed(get_rank())
    chosen = {}
    for over in ('batch', 'process'):
        with averaging_over(over):
            chosen[over] = halves_of_classes(own)
    return chosen


def test_a_batch_is_that_of_all_processes(tmp_path):
    ranks = gloo.run(halves_of_a_process, tmp_path)
    for rank, chosen in enumerate(ranks):
        ids = chosen['batch'].any(dim=0).nonzero().flatten().tolist()
        assert ids == [0, 1, 2, 3, 7]
        assert (chosen['batch'].sum(dim=1) == 3).all()
        ids = chosen['process'].any(dim=0).nonzero().flatten().tolist()
        assert ids == LABELS[rank, 0].tolist()


def test_padding_is_not_pasted_and_target_keeps_its_own(goldens):
    source, target = domains(goldens)
    valid = torch.ones(2, 32, 48, dtype=torch.bool)
    valid[:, :, 40:] = False
    source = DomainBatch(source.images, source.labels, valid=valid)
    target = DomainBatch(
        target.images, target.labels, target.weights, valid=valid.flip(2)
    )
    everything = torch.ones(2, 256, dtype=torch.bool)
    mixed, pasted = mix_classes(source, target, everything)
    assert torch.equal(pasted, valid)
    assert mixed.valid is not None
    assert mixed.valid.all()
    assert torch.equal(mixed.images[..., 40:], target.images[..., 40:])


def test_weights_of_the_source_are_kept(goldens):
    source, target = domains(goldens)
    weights = torch.full((2, 32, 48), 0.25, dtype=torch.float64)
    source = DomainBatch(source.images, source.labels, weights)
    chosen = table(goldens['chosen_0'], goldens['chosen_1'])
    mixed, pasted = mix_classes(source, target, chosen)
    assert (mixed.weights[pasted] == 0.25).all()
    assert torch.equal(mixed.weights[~pasted], target.weights[~pasted])


def test_only_as_many_source_images_as_of_the_target_are_used(goldens):
    source, target = domains(goldens)
    one = DomainBatch(target.images[:1], target.labels[:1], target.weights[:1])
    mixed, _ = mix_classes(source, one, table(goldens['chosen_0']))
    assert torch.equal(mixed.images, goldens['mixed_image'][:1])


def test_images_of_unlike_sizes_are_refused(goldens):
    source, target = domains(goldens)
    narrow = DomainBatch(
        target.images[..., 1:],
        target.labels[..., 1:],
        target.weights[..., 1:],
    )
    with pytest.raises(ConfigError, match='one size, not 48x32, 47x32'):
        mix_classes(source, narrow, table([0], [0]))
