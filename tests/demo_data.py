"""A tiny data set in the real layouts, and the demo's configs on it."""

from pathlib import Path

from mmengine.config import Config

from mmuda.datasets.street_scenes import write_cityscapes, write_gta5

ROOT = Path(__file__).parents[1]


def write(folder, count=5):
    options = dict(size=(96, 48), workers=1, progress=False)
    write_gta5(folder / 'GTA5', count, **options)
    counts = dict(train=count, val=2)
    write_cityscapes(folder / 'Cityscapes', counts, **options)
    return folder


def options(folder, max_iters=4, interval=2):
    """Overrides that make a demo config run in seconds."""
    roots = dict(source=folder / 'GTA5', target=folder / 'Cityscapes')
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


def config(folder, work_dir, name='advent', **changes):
    cfg = Config.fromfile(ROOT / 'configs' / 'demo' / f'{name}_gta2cs.py')
    overrides = options(folder) | changes
    if name != 'advent':
        overrides.pop('model.discriminator.base_channels')
    cfg.merge_from_dict(overrides)
    cfg.work_dir = str(work_dir)
    return cfg
