"""Methods for several targets in two gloo processes against one."""

import gloo
import pytest
import torch
from collaborative_models import METHODS, build
from mmengine.dist import get_rank
from mmengine.structures import PixelData
from several_targets import NAMES, optimizers, several
from tiny_models import NUM_CLASSES
from torch.nn.functional import interpolate

from mmuda.models import UDADistributedDataParallel
from mmuda.models.losses import class_entropy_mask
from mmuda.models.uda.collaborative_self_training import Phase
from mmuda.utils.setup_env import register_all_modules

ITERATIONS = 2


def soft_label(height, width, left, generator):
    """Class 0 or 1 on the left, surely, and the other on the right.

    Entropies are from 0.28 to 0.49 on the left, from 0.85 to 0.99 on the
    right. Of the 80 pixels at a quarter of 33 x 41, 36 on each side have a
    label.
    """
    noise = torch.rand(height, width, generator=generator)
    is_left = (torch.arange(width) < 20).expand(height, width)
    confidence = torch.where(is_left, 0.8, 0.3) + noise / 10
    soft = ((1 - confidence) / (NUM_CLASSES - 1)).repeat(NUM_CLASSES, 1, 1)
    winner = torch.where(is_left, left, 1 - left)
    soft.scatter_(0, winner[None], confidence[None])
    soft[:, :8, :8] = soft[:, :8, -9:] = 0
    return PixelData(data=soft.half())


def labelled(seed):
    """A batch of two, in which a class is sure in one sample only.

    Both keep as many pixels: a loss is averaged over the pixels of one
    process, gradients over processes, so others would weigh differently.
    """
    data = several(3, 2, seed)
    generator = torch.Generator().manual_seed(seed)
    for name in NAMES:
        for left, sample in enumerate(data['data_samples'][name]):
            sample.pseudo_soft_seg = soft_label(
                *sample.img_shape, left, generator
            )
    return data


def batches():
    return [labelled(seed) for seed in range(ITERATIONS)]


def soft_labels(target):
    """(2, C, 8, 10) soft labels of the first batch, at a quarter."""
    samples = labelled(0)['data_samples'][target]
    soft = torch.stack([sample.pseudo_soft_seg.data for sample in samples])
    return interpolate(soft.float(), (8, 10))


def part(data, index):
    return {
        key: {domain: [items[index]] for domain, items in value.items()}
        for key, value in data.items()
    }


def train(model, data):
    # Weight decay also moves what has a gradient of zero.
    wrappers = optimizers(model, lr=0.02, momentum=0.9, weight_decay=0.1)
    wrappers.initialize_count_status(model, 0, len(data))
    for step in data:
        model.train_step(step, wrappers)


RECOMPUTED = dict(segmentor=dict(recompute_features=True))
RESTING = dict(norm_eval=True, phase=Phase(distils=False))
# The main heads run without a loss, and so does the last layer.
BY_AUX = RESTING | dict(
    adversarial_weights=dict(aux=0.1),
    discriminator=dict(
        type='MultiLevelDiscriminator',
        levels=['aux'],
        in_channels=NUM_CLASSES,
        base_channels=4,
    ),
)
CASES = {method: (method, dict(norm_eval=True)) for method in METHODS} | {
    'MTKT resting': ('MTKT', RESTING),
    'MTKT by aux': ('MTKT', BY_AUX),
    'CoaST live': ('CoaST', {}),
    'CoaST recomputed': ('CoaST', RECOMPUTED),
    'MLCL live': ('MLCL', {}),
    'MLCL recomputed': ('MLCL', RECOMPUTED),
}


def train_rank():
    """Final states of all cases: processes take long to start."""
    register_all_modules()
    states = {}
    for name, (method, changes) in CASES.items():
        model = UDADistributedDataParallel(build(method, 3, **changes))
        train(model, [part(step, get_rank()) for step in batches()])
        states[name] = model.module.state_dict()
    return states


@pytest.fixture(scope='module')
def ranks(tmp_path_factory):
    return gloo.run(train_rank, tmp_path_factory.mktemp('ranks'))


@pytest.mark.parametrize('target', NAMES)
def test_samples_keep_as_many_pixels(target):
    labels = class_entropy_mask(soft_labels(target))
    assert (labels != 255).sum(dim=(1, 2)).tolist() == [36, 36]


@pytest.mark.parametrize('target', NAMES)
def test_samples_alone_would_keep_other_pixels(target):
    """18 of each side instead of the 36 on the left, in both samples."""
    soft = soft_labels(target)
    alone = torch.cat([class_entropy_mask(part) for part in soft.split(1)])
    assert (alone != class_entropy_mask(soft)).sum().item() == 2 * (18 + 18)


@pytest.mark.parametrize('case', [*METHODS, 'MTKT resting', 'MTKT by aux'])
def test_two_processes_equal_one_with_twice_the_batch(ranks, case):
    method, changes = CASES[case]
    model = build(method, 3, **changes)
    train(model, batches())
    for name, value in model.state_dict().items():
        torch.testing.assert_close(
            value, ranks[0][case][name], rtol=0, atol=1e-6, msg=name
        )


@pytest.mark.parametrize('method', METHODS)
def test_parameters_are_bit_equal_over_ranks(ranks, method):
    for name, value in ranks[0][method].items():
        assert torch.equal(value, ranks[1][method][name]), name


@pytest.mark.parametrize('method', ['CoaST', 'MLCL'])
def test_recomputed_features_change_nothing(ranks, method):
    expected = ranks[0][f'{method} live']
    for name, value in ranks[0][f'{method} recomputed'].items():
        torch.testing.assert_close(value, expected[name], msg=name)
