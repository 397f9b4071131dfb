"""Self-training runs of a few iterations that label the target themselves."""

import warnings
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.runner import Runner
from tiny_models import model_config, optim_config

from mmuda.utils.setup_env import register_all_modules

CLASSES = 10
LOAD = [dict(type='LoadImage')]
PACK = [dict(type='PackDomainInputs')]


def write_data(root, count=4, size=(40, 56)):
    """Images of blocks, and labels that follow their brightness."""
    generator = np.random.default_rng(0)
    for name in ('source', 'target'):
        for index in range(count):
            blocks = generator.integers(0, 256, (size[0] // 8, size[1] // 8))
            image = np.kron(blocks, np.ones((8, 8))).astype(np.uint8)
            for folder in ('images', 'labels'):
                (root / name / folder).mkdir(parents=True, exist_ok=True)
            file = f'{index}.png'
            cv2.imwrite(
                str(root / name / 'images' / file), np.dstack([image] * 3)
            )
            cv2.imwrite(str(root / name / 'labels' / file), image // 64)
    return root


def dataset(root, labels, pipeline):
    prefix = dict(img_path='images')
    if labels:
        prefix['seg_map_path'] = 'labels'
    return dict(
        type='FolderDataset',
        data_root=str(root),
        data_prefix=prefix,
        img_suffix='.png',
        label_set='carla_camvid10',
        pipeline=pipeline,
    )


def config(data, work_dir, iterations=6, workers=0, hook=None, **changes):
    """Config of a run with ``PseudoLabelRefreshHook``."""
    model = model_config('SelfTraining', **changes.pop('model', {}))
    for head in ('decode_head', 'auxiliary_head'):
        model['segmentor'][head]['num_classes'] = CLASSES
    hook = dict(type='PseudoLabelRefreshHook', begin=2, interval=2) | (
        hook or {}
    )
    rule = dict(type='EntropyQuantile', quantile=0.5, floor=0.1)
    base = dict(
        model=model,
        work_dir=str(work_dir),
        experiment_name=str(work_dir).strip('/').replace('/', '_'),
        train_dataloader=dict(
            batch_size=1,
            num_workers=workers,
            persistent_workers=workers > 0,
            sampler=dict(type='DomainInfiniteSampler', shuffle=True),
            dataset=dict(
                type='DomainDataset',
                source=dataset(
                    data / 'source',
                    True,
                    [*LOAD, dict(type='LoadLabels'), *PACK],
                ),
                target=dataset(
                    data / 'target',
                    False,
                    [
                        *LOAD,
                        dict(type='LoadPseudoLabels'),
                        *PACK,
                    ],
                ),
            ),
        ),
        pseudo_labels=dict(rule=rule, pipeline=LOAD + PACK, num_workers=0),
        train_cfg=dict(type='UDATrainLoop', max_iters=iterations),
        optim_wrapper=optim_config('SelfTraining'),
        default_hooks=dict(
            logger=dict(type='LoggerHook', interval=1),
            checkpoint=dict(
                type='UDACheckpointHook', interval=1, max_keep_ckpts=-1
            ),
        ),
        custom_hooks=[
            dict(type='DataCheckHook'),
            dict(type='IterationSeedHook'),
            hook,
            *changes.pop('custom_hooks', []),
        ],
        log_processor=dict(by_epoch=False),
        log_level='INFO',
        randomness=dict(seed=7),
        default_scope='mmuda',
        model_wrapper_cfg=dict(type='UDADistributedDataParallel'),
    )
    cfg = Config(base | changes)
    cfg.filename = 'refreshed.py'
    return cfg


def train(cfg, resume_from=None):
    """Run and return the runner."""
    warnings.filterwarnings('ignore')
    register_all_modules()
    if resume_from is not None:
        cfg.resume, cfg.load_from = True, str(resume_from)
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


def log_of(work_dir):
    (file,) = Path(work_dir).glob('*/*.log')
    return file.read_text()
