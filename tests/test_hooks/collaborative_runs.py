"""Runs of a few iterations with two targets and labels of their own heads."""

from collaborative_models import config_of
from refreshed_runs import CLASSES, LOAD, PACK, config, dataset, write_data
from several_targets import NAMES
from tiny_models import optim_config

TARGETS = NAMES[:2]
CROP = dict(type='RandomCrop', crop_size=(32, 40), cat_max_ratio=1.0)
FLIP = dict(type='RandomFlip', prob=0.5)
SOFT = [
    *LOAD,
    dict(type='LoadSoftPseudoLabels'),
    CROP,
    FLIP,
    dict(type='KeepWeakImage'),
    dict(type='StrongAugmentation'),
    dict(type='Cutout'),
    *PACK,
]
HOOK = dict(
    type='CollaborativeConsistencyHook',
    distillation_begin=1,
    refresh=dict(begin=0, interval=2),
    agreement_interval=2,
)


def write(root):
    """A source and two targets."""
    write_data(root)
    (root / 'target').rename(root / TARGETS[0])
    write_data(root / 'second')
    (root / 'second/target').rename(root / TARGETS[1])
    return root


def collaborative_config(data, work_dir, method='MLCL', hook=None, **changes):
    """Config of a run of CoaST or MLCL."""
    model = config_of(method)
    model['segmentor']['decode_head']['num_classes'] = CLASSES
    model['segmentor']['decode_head']['dropout_ratio'] = 0.3
    cfg = config(data, work_dir, **changes)
    cfg.model = model
    cfg.custom_hooks[2] = HOOK | (hook or {})
    set_domains(cfg, data, SOFT)
    cfg.pseudo_labels.rule = dict(type='KeepAll')
    cfg.pseudo_labels.soft_top_k = 0
    return cfg


def adversarial_config(data, work_dir, method, hook=None, **changes):
    """Config of a run of a method with discriminators.

    Heads have dropout, and images random crops and flips.
    """
    model = config_of(method)
    for head in ('decode_head', 'auxiliary_head'):
        model['segmentor'][head] |= dict(
            num_classes=CLASSES, dropout_ratio=0.3
        )
    model['discriminator'] = model['discriminator'] | dict(in_channels=CLASSES)
    cfg = config(data, work_dir, **changes)
    cfg.model = model
    optim = optim_config('AdvEnt')
    if method == 'CCL':
        optim['expert'] = optim['segmentor']
    cfg.optim_wrapper = optim
    cfg.custom_hooks[2:3] = [hook] if hook else []
    set_domains(cfg, data, [*LOAD, CROP, FLIP, *PACK])
    return cfg


def set_domains(cfg, data, pipeline):
    """Let a config train on the source's crops and on both targets."""
    domains = cfg.train_dataloader.dataset
    domains.source.pipeline.insert(2, CROP)
    del domains['target']
    domains.targets = {
        name: dataset(data / name, False, pipeline) for name in TARGETS
    }
