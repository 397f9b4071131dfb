"""Checkpoints of random weights, and a config of data in real layouts."""

import demo_data
import torch
from mmengine.config import Config
from tiny_models import NUM_CLASSES, model_config

from mmuda.registry import MODELS

CLASSES = tuple('abcde')


def write_checkpoints(folder, config, classes, count, std=None):
    """Save so many random networks as a training would."""
    files = []
    for seed in range(count):
        torch.manual_seed(seed)
        model = MODELS.build(config)
        model.init_weights()
        # A new network sees one class everywhere.
        for head in model.segmentor.heads().values():
            if std is not None:
                torch.nn.init.normal_(head.conv_seg.weight, std=std)
        meta = dict(dataset_meta=dict(classes=classes))
        files.append(str(folder / f'iter_{seed + 1}.pth'))
        torch.save(dict(state_dict=model.state_dict(), meta=meta), files[-1])
    return files


def tiny_pool(folder, count=3, classes=CLASSES):
    """Config of the tiny network, and checkpoints of it."""
    cfg = Config(dict(model=model_config('MinEnt')))
    assert len(CLASSES) == NUM_CLASSES
    return cfg, write_checkpoints(folder, cfg.model, classes, count, std=30)


def demo_pool(folder, count=3):
    """Config and checkpoints of the demo's MinEnt on generated streets."""
    data = demo_data.write(folder / 'data')
    cfg = demo_data.config(data, folder / 'run', 'minent')
    classes = cfg_classes(cfg)
    return cfg, write_checkpoints(folder, cfg.model, classes, count)


def cfg_classes(cfg):
    from mmuda.registry import DATASETS

    return DATASETS.build(cfg.val_dataloader.dataset).metainfo['classes']
