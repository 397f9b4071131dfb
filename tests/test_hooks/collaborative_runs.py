"""Runs of a few iterations with two targets and labels of their own heads."""

from collaborative_models import config_of
from refreshed_runs import CLASSES, LOAD, PACK, config, dataset, write_data
from several_targets import NAMES

TARGETS = NAMES[:2]
SOFT = [
    *LOAD,
    dict(type='LoadSoftPseudoLabels'),
    dict(type='RandomCrop', crop_size=(32, 40), cat_max_ratio=1.0),
    dict(type='RandomFlip', prob=0.5),
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
    domains = cfg.train_dataloader.dataset
    domains.source.pipeline.insert(
        2, dict(type='RandomCrop', crop_size=(32, 40), cat_max_ratio=1.0)
    )
    del domains['target']
    domains.targets = {
        name: dataset(data / name, False, SOFT) for name in TARGETS
    }
    cfg.pseudo_labels.rule = dict(type='KeepAll')
    cfg.pseudo_labels.soft_top_k = 0
    return cfg
