"""Runs of DACS that are stopped and resumed."""

import pytest
import torch
from dacs_models import SURE, mixable, segmentor
from tiny_runs import METAINFO, equal, runner, weights
from torch.utils.data import Dataset

from mmuda.hooks import MeanTeacherHook
from mmuda.models import unwrap

HOOKS = ['NormStatisticsSyncHook', 'IterationSeedHook']
# The rate still rises, and so does the momentum, after two iterations.
WARM_UP = dict(
    type='LinearLR', start_factor=1e-3, begin=0, end=4, by_epoch=False
)


class MixableDomains(Dataset):
    """Four random samples of two domains, of one size."""

    metainfo = METAINFO

    def __len__(self):
        return 4

    def __getitem__(self, index):
        data = mixable(1, index)
        return {
            key: {domain: items[0] for domain, items in value.items()}
            for key, value in data.items()
        }


def run(folder, iterations, warmup_iters=0, momentum=0.7, **kwargs):
    training = runner(
        folder,
        iterations,
        HOOKS,
        method='DACS',
        segmentor=segmentor(affine=True),
        model=dict(
            threshold=SURE,
            warmup_iters=warmup_iters,
            teacher=dict(momentum=momentum),
        ),
        dataset=MixableDomains(),
        dropout=0.3,
        **kwargs,
    )
    training.param_schedulers = [WARM_UP]
    training.train()
    return training


@pytest.mark.parametrize(
    'options',
    [
        {},
        # Within the iterations on the source alone.
        dict(warmup_iters=3),
        # Within the averaging proper, past its warm-up.
        dict(momentum=0.1),
    ],
    ids=['rising rate', 'source alone', 'averaging'],
)
def test_resumed_run_equals_a_whole_one(tmp_path, options):
    whole = weights(run(tmp_path / 'whole', 4, **options))
    run(tmp_path / 'parts', 2, **options)
    second = run(tmp_path / 'parts', 4, resume=True, **options)
    assert equal(whole, weights(second))
    teacher = {k: v for k, v in whole.items() if k.startswith('teacher.')}
    names = [k.removeprefix('teacher.') for k in teacher]
    assert not all(
        torch.equal(teacher[f'teacher.{k}'], whole[f'segmentor.{k}'])
        for k in names
    )


def test_the_loop_adds_the_hook_of_the_published_teacher(tmp_path):
    training = run(tmp_path, 1)
    (hook,) = (h for h in training.hooks if isinstance(h, MeanTeacherHook))
    assert (hook.momentum, hook.buffers, hook.warmup) == (0.7, 'keep', True)
    model = unwrap(training.model)
    # Half of the first and half of the second weights.
    name = 'decode_head.conv_seg.weight'
    assert not torch.equal(
        model.teacher.state_dict()[name], model.segmentor.state_dict()[name]
    )
    counted = model.teacher.state_dict()['backbone.bn1.num_batches_tracked']
    assert counted == 1
