"""A run that was stopped and continued equals one that was not."""

from multiprocessing import active_children

import demo_data
import pytest
import torch
from mmengine.runner import Runner

from mmuda.utils.compat import load_checkpoint_file
from mmuda.utils.mixed_precision import enable_amp

DROPOUT = {
    'model.segmentor.decode_head.dropout_ratio': 0.5,
    'train_dataloader.dataset.source.pipeline': [
        dict(type='LoadImage'),
        dict(type='LoadLabels'),
        dict(type='RandomCrop', crop_size=(40, 80), cat_max_ratio=0.75),
        dict(type='RandomFlip', prob=0.5),
        dict(type='PhotoMetricDistortion'),
        dict(type='PackDomainInputs'),
    ],
}


def train(data, work_dir, resume_from=None, precision='fp32', **changes):
    cfg = demo_data.config(data, work_dir, **DROPOUT, **changes)
    if resume_from is not None:
        cfg.resume, cfg.load_from = True, str(resume_from)
    enable_amp(cfg, precision)
    Runner.from_cfg(cfg).train()


@pytest.fixture(scope='module', params=['fp32', 'bf16'])
def checkpoints(request, tmp_path_factory):
    """Last checkpoint of an uninterrupted and of a continued run."""
    from mmuda.utils.setup_env import register_all_modules

    register_all_modules()
    folder = tmp_path_factory.mktemp('resume')
    data = demo_data.write(folder / 'data')
    train(data, folder / 'whole', precision=request.param)
    first_half = folder / 'whole' / 'iter_2.pth'
    # another number of loader processes must not matter either
    train(
        data,
        folder / 'continued',
        first_half,
        request.param,
        **{'train_dataloader.num_workers': 2},
    )
    return [
        load_checkpoint_file(str(folder / name / 'iter_4.pth'))
        for name in ('whole', 'continued')
    ]


def assert_equal(a, b, path=''):
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), path
    elif isinstance(a, dict):
        assert list(a) == list(b), path
        for key in a:
            assert_equal(a[key], b[key], f'{path}.{key}')
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), path
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_equal(x, y, f'{path}[{i}]')
    else:
        assert a == b, path


@pytest.mark.parametrize('part', ['state_dict', 'optimizer'])
def test_continued_run_is_bit_identical(checkpoints, part):
    whole, continued = checkpoints
    assert_equal(whole[part], continued[part], part)


def test_continued_run_has_the_same_schedules(checkpoints):
    whole, continued = (c['param_schedulers'] for c in checkpoints)
    assert sorted(whole) == ['discriminator', 'segmentor']
    assert_equal(whole, continued, 'param_schedulers')


def test_continued_run_logged_the_same_losses(checkpoints):
    losses = [
        {
            key: values
            for key, values in c['message_hub']['log_scalars'].items()
            if 'loss' in key
        }
        for c in checkpoints
    ]
    assert 'train/loss.discriminator' in losses[0]
    for key, history in losses[0].items():
        values = history.data[0].tolist()
        assert values == losses[1][key].data[0].tolist(), key


def test_loader_processes_end_with_the_training(tmp_path):
    """And not when they are found by the garbage collection, which waits."""
    data = demo_data.write(tmp_path / 'data')
    changes = dict(num_workers=1, persistent_workers=False)
    changes = {f'train_dataloader.{k}': v for k, v in changes.items()}
    before = set(active_children())
    train(data, tmp_path / 'run', **changes, **{'train_cfg.max_iters': 1})
    assert set(active_children()) <= before
