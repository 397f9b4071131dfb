"""Runs of a few iterations on random images, with a real runner."""

import warnings

import torch
from mmengine.runner import Runner
from tiny_models import (
    NUM_CLASSES,
    batch,
    model_config,
    optim_config,
    sample,
    segmentor_config,
)
from torch.utils.data import Dataset

from mmuda.utils.setup_env import register_all_modules

METAINFO = dict(
    classes=tuple('abcde'),
    palette=[[10 * i, 20 * i, 30 * i] for i in range(NUM_CLASSES)],
)


class TinyDomains(Dataset):
    """Four random training samples of two domains."""

    metainfo = METAINFO

    def __len__(self):
        return 4

    def __getitem__(self, index):
        data = batch(seed=index)
        return {
            key: {domain: items[0] for domain, items in value.items()}
            for key, value in data.items()
        }


class TinyValidation(Dataset):
    """Two random labelled samples."""

    metainfo = METAINFO

    def __len__(self):
        return 2

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        image, data_sample = sample((33, 41), generator, labelled=True)
        return dict(inputs=image, data_samples=data_sample)


def loader(dataset, sampler, workers=0):
    return dict(
        dataset=dataset, sampler=sampler, batch_size=1, num_workers=workers
    )


def training(iterations, accumulate, loop, dataset, workers, val_interval):
    """What a runner needs for training."""
    return dict(
        train_dataloader=loader(
            dataset or TinyDomains(),
            dict(type='InfiniteSampler', seed=3),
            workers,
        ),
        train_cfg=dict(
            type=loop,
            max_iters=iterations,
            val_interval=val_interval or 10**6,
        ),
        optim_wrapper=optim_config('MinEnt', accumulative_counts=accumulate),
        param_scheduler=[
            dict(type='PolyLR', power=0.9, end=20, by_epoch=False)
        ],
    )


def validating(dataset):
    """What a runner needs for validation."""
    return dict(
        val_dataloader=loader(
            dataset or TinyValidation(),
            dict(type='DefaultSampler', shuffle=False),
        ),
        val_cfg={},
        val_evaluator=dict(type='DomainIoUMetric'),
    )


def hooks_of(hooks, checkpoint):
    """The hooks of a runner: mmengine's own and those given."""
    return dict(
        default_hooks=dict(
            logger=dict(type='LoggerHook', interval=100),
            checkpoint=dict(type='UDACheckpointHook', **(checkpoint or {})),
        ),
        custom_hooks=[
            dict(type=hook) if isinstance(hook, str) else hook
            for hook in hooks
        ],
    )


def runner(
    work_dir,
    iterations=4,
    hooks=(),
    checkpoint=None,
    dropout=0,
    val_interval=None,
    workers=0,
    accumulate=1,
    loop='UDATrainLoop',
    dataset=None,
    validation=None,
    model=None,
    method='MinEnt',
    segmentor=None,
    **kwargs,
):
    """A runner of a method; its hooks are mmengine's and those given."""
    warnings.filterwarnings('ignore', module='mmengine')
    register_all_modules()
    segmentor = segmentor or segmentor_config()
    segmentor['decode_head']['dropout_ratio'] = dropout
    if val_interval is not None:
        kwargs |= validating(validation)
    wrapper = dict(type='mmuda.models.UDADistributedDataParallel')
    return Runner(
        model=model_config(
            method, **dict(segmentor=segmentor) | (model or {})
        ),
        work_dir=str(work_dir),
        experiment_name=str(work_dir).strip('/').replace('/', '_'),
        log_processor=dict(by_epoch=False),
        log_level='WARNING',
        randomness=dict(seed=7),
        default_scope='mmuda',
        cfg=dict(model_wrapper_cfg=wrapper),
        **training(
            iterations, accumulate, loop, dataset, workers, val_interval
        ),
        **hooks_of(hooks, checkpoint),
        **kwargs,
    )


def weights(run):
    """All parameters and buffers of a run's model."""
    return {k: v.clone() for k, v in run.model.state_dict().items()}


def equal(first, second):
    """Whether two states are the same, bit for bit."""
    return first.keys() == second.keys() and all(
        torch.equal(value, second[name]) for name, value in first.items()
    )
