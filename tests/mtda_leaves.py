"""The leaves of configs/mtda: what their names say, and small models."""

import copy
from functools import cache
from pathlib import Path

from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from mmuda.registry import MODELS

ROOT = Path(__file__).parents[1] / 'configs' / 'mtda'
LEAVES = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob('*/*.py'))
SETTINGS = (
    *('g2ci', 'g2cm', 'g2mi', 'g2cmi', 'c2mi', 'i2cm', 'm2ci'),
    *('g2ci_19', 'g2cm_19', 'g2mi_19', 'g2cmi_19', 'carla2camvid'),
)
SINGLE = (
    *('g2c', 'g2m', 'g2i', 'g2c_19', 'g2m_19', 'g2i_19'),
    *('c2m', 'c2i', 'i2c', 'i2m', 'm2c', 'm2i', 'carla2day', 'carla2dusk'),
)
OTHER_NETWORKS = ('segformer_mit-b5', 'vgg16')
DOMAINS = dict(g='gta5', c='cityscapes', m='mapillary', i='idd', b='bdd100k')
DATASETS = dict(
    gta5='GTA5Dataset',
    cityscapes='CityscapesLabelIdsDataset',
    mapillary='MapillaryVistasDataset',
    idd='IDDDataset',
    bdd100k='BDD100KDataset',
    carla='CARLADataset',
    day='CamVidDataset',
    dusk='CamVidDataset',
)
# Heads of a few channels, whatever backbone they are on.
_WIDTHS = dict(
    DeepLabResNet=[256],
    MixVisionTransformer=[8, 16, 40, 64],
    DeepLabVGG=[32],
)
_BACKBONES = dict(
    DeepLabResNet=dict(depth=50, base_channels=8, stem_channels=8),
    MixVisionTransformer=dict(embed_dims=8, num_layers=[1, 1, 1, 1]),
    DeepLabVGG=dict(fc_channels=32),
)


@cache
def load(leaf):
    """A config that nobody changes."""
    return Config.fromfile(ROOT / leaf)


def method_of(leaf):
    return Path(leaf).parent.name


def is_carla(leaf):
    return Path(leaf).stem.startswith('carla')


def domains_of(leaf):
    """Source and targets that a name tells."""
    source, targets = Path(leaf).stem.split('_')[0].split('2', maxsplit=1)
    if source == 'carla':
        targets = dict(camvid=['day', 'dusk']).get(targets, [targets])
        return source, targets
    return DOMAINS[source], [DOMAINS[letter] for letter in targets]


def classes_of(leaf):
    """Number of classes and label set that a name tells."""
    if is_carla(leaf):
        return 10, 'carla_camvid10'
    nineteen = '_19' in Path(leaf).stem
    return (19, 'cityscapes19') if nineteen else (7, 'seven_class')


def size_of(leaf):
    """Width and height that images are resized to before a test."""
    return next(s.scale for s in load(leaf).test_pipeline if 'scale' in s)


def pipeline_types(dataset):
    return [transform.type for transform in dataset.pipeline]


def label_set_of(dataset):
    return dataset.get('label_set', 'carla_camvid10')


def small_config(leaf):
    """A copy of a config with few channels and no published weights."""
    cfg = copy.deepcopy(load(leaf))
    segmentor = cfg.model.segmentor
    backbone, decode, aux = (
        segmentor.get(name)
        for name in ('backbone', 'decode_head', 'auxiliary_head')
    )
    backbone.init_cfg = None
    if 'discriminator' in cfg.model:
        cfg.model.discriminator.base_channels = 4
    if is_carla(leaf):
        return cfg
    backbone.update(_BACKBONES[backbone.type])
    widths = _WIDTHS[backbone.type]
    one = isinstance(decode.in_channels, int)
    decode.in_channels = widths[-1] if one else widths
    if aux is not None:
        aux.in_channels = widths[-1] // 2
    if decode.type == 'ASPPSEHead':
        decode.channels = 32
    return cfg


@cache
def build(leaf):
    """A small model and its optimizers; nobody trains it."""
    cfg = small_config(leaf)
    model = MODELS.build(cfg.model)
    return model, build_optim_wrapper(model, cfg.optim_wrapper)


def multipliers(leaf, player='segmentor'):
    """Learning rate of each part of a player, relative to the config's."""
    model, wrappers = build(leaf)
    base = load(leaf).optim_wrapper[player.split('_')[0]].optimizer.lr
    rates = {
        id(parameter): group['lr'] / base
        for group in wrappers[player].param_groups
        for parameter in group['params']
    }
    found = {}
    for name, parameter in getattr(model, player).named_parameters():
        if parameter.requires_grad:
            part = name.split('.')[0]
            found.setdefault(part, set()).add(round(rates[id(parameter)], 6))
    return found
