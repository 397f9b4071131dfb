"""A tiny data set in the real layouts, and the demo's configs on it."""

import os
import sys
import uuid
from pathlib import Path

from mmengine.config import Config

from street_scenes import (
    write_cityscapes,
    write_gta5,
    write_synthia,
)

ROOT = Path(__file__).parents[1]
ENVIRONMENT = os.environ | dict(
    PYTHON=sys.executable, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1'
)
SIZE = (96, 48)
WRITERS = dict(GTA5=write_gta5, SYNTHIA=write_synthia)


def write(folder, count=5, source='GTA5'):
    options = dict(size=SIZE, workers=1, progress=False)
    WRITERS[source](folder / source, count, **options)
    counts = dict(train=count, val=2)
    write_cityscapes(folder / 'Cityscapes', counts, **options)
    return folder


def options(folder, max_iters=4, interval=2, source='GTA5'):
    """Overrides that make a demo config run in seconds."""
    roots = dict(source=folder / source, target=folder / 'Cityscapes')
    return {
        'train_dataloader.batch_size': 2,
        'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False,
        'val_dataloader.num_workers': 0,
        'val_dataloader.persistent_workers': False,
        'test_dataloader.num_workers': 0,
        'test_dataloader.persistent_workers': False,
        'train_dataloader.dataset.source.data_root': str(roots['source']),
        'train_dataloader.dataset.target.data_root': str(roots['target']),
        'val_dataloader.dataset.data_root': str(roots['target']),
        'test_dataloader.dataset.data_root': str(roots['target']),
        'train_cfg.max_iters': max_iters,
        'train_cfg.val_interval': interval,
        'default_hooks.checkpoint.interval': interval,
        'default_hooks.checkpoint.max_keep_ckpts': 10,
        'default_hooks.logger.interval': 1,
        'model.warmup_iters': 1,
        'model.segmentor.backbone.base_channels': 8,
        'model.segmentor.backbone.stem_channels': 8,
        'model.segmentor.decode_head.in_channels': 32,
        'model.segmentor.auxiliary_head.in_channels': 16,
        'model.discriminator.base_channels': 4,
    }


def full_size_options(folder, **kwargs):
    """Overrides that make a two-head DeepLab-V2 of full size run so too."""
    backbone = dict(
        depth=18,
        num_stages=3,
        strides=(1, 2, 1),
        dilations=(1, 1, 2),
        out_indices=(1, 2),
        init_cfg=None,
    )
    return options(folder, **kwargs) | {
        **{f'model.segmentor.backbone.{k}': v for k, v in backbone.items()},
        'train_dataloader.pin_memory': False,
        'train_dataloader.dataset.source.pipeline.2.scale': SIZE,
        'train_dataloader.dataset.target.pipeline.1.scale': SIZE,
        'val_dataloader.dataset.pipeline.1.scale': SIZE,
    }


def config(folder, work_dir, name='advent', **changes):
    cfg = Config.fromfile(ROOT / f'configs/demo/demo_{name}_gta2cs.py')
    overrides = options(folder) | changes
    if name != 'advent':
        overrides.pop('model.discriminator.base_channels')
    cfg.merge_from_dict(overrides)
    cfg.work_dir = str(work_dir)
    # mmengine names runs by the second in which they start, and lets those of
    # one name share what they log and count.
    cfg.experiment_name = uuid.uuid4().hex
    return cfg
