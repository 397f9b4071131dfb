"""Whole iterations of DACS and MIC against the published implementation."""

import pytest
import torch
from modern_goldens import assert_golden, starting_with
from modern_steps import Replay

from mmuda.convert.from_daformer import tensors_to_published

ROWS = dict(ignored_rows=dict(top=3, bottom=7))
DISTANCE = dict(type='FeatureDistance')
OPTIONS = {
    'dacs_step': dict(**ROWS, terms=[DISTANCE]),
    'dacs_dlv2_step': ROWS,
    'mic_step': dict(
        **ROWS,
        terms=[DISTANCE, dict(type='MaskedConsistency', block_size=16)],
    ),
    'mic_separate_step': dict(
        **ROWS,
        terms=[dict(type='MaskedConsistency', block_size=16, mode='separate')],
    ),
    'mic_aug_step': dict(
        **ROWS,
        terms=[DISTANCE, dict(type='MaskedConsistency', block_size=16)],
    ),
    'mic_hrda_step': dict(
        terms=[DISTANCE, dict(type='MaskedConsistency', block_size=32)]
    ),
}
# Their loss -> ours.
LOSSES = {
    'decode.loss_seg': 'source.decode.loss_ce',
    'decode.hr.loss_seg': 'source.decode.hr.loss_ce',
    'src.loss_imnet_feat_dist': 'source.loss_feature_distance',
    'mix.decode.loss_seg': 'target.mix.decode.loss_ce',
    'mix.decode.hr.loss_seg': 'target.mix.decode.hr.loss_ce',
    'masked.decode.loss_seg': 'target.masked.decode.loss_ce',
    'masked.decode.hr.loss_seg': 'target.masked.decode.hr.loss_ce',
}


@pytest.fixture(scope='module', params=OPTIONS)
def replay(request):
    return Replay(request.param, **OPTIONS[request.param]).run()


def test_pseudo_labels_are_the_published_ones(replay):
    for moment, found in enumerate(replay.labelled):
        labels = replay.arrays[f'pseudo_label_{moment}']
        assert torch.equal(found.labels, labels.long())
        assert found.share.item() == replay.arrays[f'q_{moment}'].item()


def test_losses_are_the_published_ones(replay):
    published = starting_with(replay.arrays, 'log.')
    compared = 0
    for theirs, ours in LOSSES.items():
        for found, expected in zip(
            replay.logs, published.get(theirs, ()), strict=False
        ):
            # Without a thing theirs is NaN, its gradient 0.
            assert_golden(found[ours], expected.nan_to_num(0))
            compared += 1
    assert compared == replay.iterations * sum(
        'loss' in name for name in published
    )


def test_accuracies_are_the_published_ones(replay):
    for theirs, ours in LOSSES.items():
        theirs, ours = (
            n.rpartition('.')[0] + '.acc_seg' for n in (theirs, ours)
        )
        expected = replay.arrays.get(f'log.{theirs}', ())
        for moment, accuracy in enumerate(expected):
            # Theirs counts pixels without a label as wrong; mmseg's is in
            # single precision.
            labels = replay.labels_at(moment)
            name = theirs.removesuffix('.acc_seg')
            part = labels.get(name, labels.get(name.removesuffix('decode')))
            share = (part != 255).double().mean()
            found = share * replay.logs[moment][ours]
            assert_golden(found, accuracy, 1e-6)


def test_gradients_are_the_published_ones(replay):
    expected = starting_with(replay.arrays, 'grad0.')
    norms = starting_with(replay.arrays, 'gradnorm0.')
    found = tensors_to_published(replay.gradients)
    largest = max(value.abs().max().item() for value in found.values())
    assert (expected | norms).keys() == found.keys()
    for name, value in (expected | norms).items():
        own = found[name] if name in expected else found[name].norm()
        torch.testing.assert_close(
            own, value.view_as(own), rtol=0, atol=1e-8 * largest, msg=name
        )


@pytest.mark.parametrize('part', ['segmentor', 'teacher'])
def test_weights_end_where_the_published_ones_do(replay, part):
    names = {'segmentor': 'student.', 'teacher': 'teacher.'}
    expected = starting_with(replay.arrays, names[part])
    found, start = replay.weights(part), replay.start
    for name, value in expected.items():
        if part == 'teacher' and name in replay.unknown_of_teacher:
            continue
        movement = (value - start[name]).abs().max().item()
        torch.testing.assert_close(
            found[name], value, rtol=1e-9, atol=1e-4 * movement, msg=name
        )
