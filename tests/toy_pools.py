"""Checkpoints of random weights, and a config of data in real layouts."""

import demo_data
import torch
from mmengine.config import Config
from tiny_models import NUM_CLASSES, model_config

from mmuda.model_selection.pool_members import Member
from mmuda.registry import MODELS
from mmuda.utils.config_data import data_sets, dataset_leaves

CLASSES = tuple('abcde')
# Width and height of what the two networks see.
SMALL, LARGE = (128, 64), (256, 128)


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


def members(cfg, files):
    """Checkpoints of one network."""
    return [Member(file, cfg) for file in files]


def demo_pool(folder, count=3):
    """Config and checkpoints of the demo's MinEnt on generated streets."""
    data = demo_data.write(folder / 'data')
    cfg = demo_data.config(data, folder / 'run', 'minent')
    classes = cfg_classes(cfg)
    return cfg, write_checkpoints(folder, cfg.model, classes, count)


def cfg_classes(cfg):
    from mmuda.registry import DATASETS

    return DATASETS.build(cfg.val_dataloader.dataset).metainfo['classes']


def shown_at(cfg, size):
    """The same config with validation images, and source, of a size."""
    changed = Config(cfg.to_dict())
    for name, dataset in data_sets(changed).items():
        for leaf in dataset_leaves(dataset):
            for step in leaf.pipeline if name != 'target' else ():
                if step.type == 'Resize':
                    step.scale = size
    return changed


def see_several_classes(file):
    """Give heads, which begin with one class everywhere, large weights."""
    content = torch.load(file, weights_only=False)
    generator = torch.Generator().manual_seed(1)
    for name, value in content['state_dict'].items():
        if '.decode_head.' in name and value.ndim == 4:
            value.normal_(std=3.0, generator=generator)
    torch.save(content, file)


def two_networks(folder):
    """A large network and a small one: configs, checkpoints, config files.

    The small one sees smaller images, and is trained on the source alone.
    """
    cfg, _ = demo_pool(folder, 1)
    large, small = shown_at(cfg, LARGE), shown_at(cfg, SMALL)
    segmentor = small.model.segmentor
    segmentor.backbone |= dict(base_channels=4, stem_channels=4)
    segmentor.decode_head.in_channels = 16
    segmentor.auxiliary_head.in_channels = 8
    small.model.type = 'SourceOnly'
    small.model.pop('entropy_weights')
    small.train_dataloader.dataset.pop('target')
    classes, files, configs = cfg_classes(cfg), [], []
    for name, part in (('large', large), ('small', small)):
        own = folder / name
        own.mkdir()
        files += write_checkpoints(own, part.model, classes, 1)
        see_several_classes(files[-1])
        part.dump(folder / f'{name}.py')
        configs.append(folder / f'{name}.py')
    return (large, small), files, configs
