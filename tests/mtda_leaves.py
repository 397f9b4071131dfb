"""The leaves of configs/mtda: what their names say, and small models.

A name is ``<method>_<network>_<setting>``; those without a file are the leaf
of the same method and network with ``--setting``.
"""

import copy
import re
from functools import cache
from pathlib import Path

from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from mmuda.registry import MODELS
from mmuda.utils.config import load_config
from mmuda.utils.config_completion import read_file

ROOT = Path(__file__).parents[1] / 'configs' / 'mtda'
LEAVES = sorted(path.stem for path in ROOT.glob('*.py'))
TABLES = read_file(ROOT / 'mtkt_deeplabv2-r101_g2cmi.py').to_dict()


def parts_of(name):
    """Method, network and setting."""
    match = re.fullmatch(r'(\w+?)_((?:deeplabv2|aspp)-[a-z0-9-]+)_(\w+)', name)
    return match.groups()


def is_small(name):
    """Whether its setting is one that a CPU trains."""
    return parts_of(name)[2].startswith(('carla', 'idda'))


# Each method on each network, without its setting.
NETWORKS = sorted(
    {'_'.join(parts_of(leaf)[:2]) for leaf in LEAVES if not is_small(leaf)}
)
# Each method, network, number of classes and of targets; all small ones.
KINDS = [leaf for leaf in LEAVES if is_small(leaf)] + [
    f'{network}_{setting}'
    for network in NETWORKS
    for setting in ('g2cmi', 'g2ci_19')
]
DOMAINS = dict(
    g='gta5', s='synthia', c='cityscapes', m='mapillary', i='idd', b='bdd100k'
)
DATASETS = dict(
    gta5='GTA5Dataset',
    cityscapes='CityscapesLabelIdsDataset',
    mapillary='MapillaryVistasDataset',
    idd='IDDDataset',
    synthia='SYNTHIADataset',
    bdd100k='BDD100KDataset',
    carla='CARLADataset',
    day='CamVidDataset',
    dusk='CamVidDataset',
    **dict.fromkeys(('noon', 'sunset', 'rain'), 'FolderDataset'),
)
# Heads of a few channels, whatever backbone they are on.
_WIDTHS = dict(
    DeepLabResNet=[256],
    MiT=[8, 16, 40, 64],
    DeepLabVGG=[32],
)
_BACKBONES = dict(
    DeepLabResNet=dict(depth=50, base_channels=8, stem_channels=8),
    MiT=dict(embed_dims=8, num_layers=[1, 1, 1, 1]),
    DeepLabVGG=dict(fc_channels=32),
)


@cache
def load(name):
    """A config that nobody changes."""
    if name in LEAVES:
        return Config.fromfile(ROOT / f'{name}.py')
    method, network, setting = parts_of(name)
    leaf = leaf_of(f'{method}_{network}')
    return load_config(leaf, {'setting': setting}, check=False)


def leaf_of(network):
    """One of a method and a network, which takes any setting."""
    return min(ROOT.glob(f'{network}_g2c*.py'))


def method_of(name):
    return parts_of(name)[0]


def domains_of(name):
    """Source and targets that a name tells."""
    setting = parts_of(name)[2]
    if setting == 'idda_cn2cs_hrn':
        return 'noon', ['sunset', 'rain']
    source, targets = setting.split('_')[0].split('2', maxsplit=1)
    if source == 'carla':
        targets = dict(camvid=['day', 'dusk']).get(targets, [targets])
        return source, targets
    return DOMAINS[source], [DOMAINS[letter] for letter in targets]


def classes_of(name):
    """Number of classes and label set that a name tells."""
    if is_small(name):
        carla = parts_of(name)[2].startswith('carla')
        return (10, 'carla_camvid10') if carla else (16, 'idda16')
    nineteen = name.endswith('_19')
    return (19, 'cityscapes19') if nineteen else (7, 'seven_class')


def size_of(name):
    """Width and height that images are resized to before a test."""
    return next(s.scale for s in load(name).test_pipeline if 'scale' in s)


def pipeline_types(dataset):
    return [transform.type for transform in dataset.pipeline]


def label_set_of(dataset):
    return dataset.get('label_set', 'carla_camvid10')


def small_config(name):
    """A copy of a config with few channels and no published weights."""
    cfg = copy.deepcopy(load(name))
    segmentor = cfg.model.segmentor
    backbone, decode, aux = (
        segmentor.get(part)
        for part in ('backbone', 'decode_head', 'auxiliary_head')
    )
    backbone.init_cfg = None
    if 'discriminator' in cfg.model:
        cfg.model.discriminator.base_channels = 4
    if is_small(name):
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
def build(name):
    """A small model and its optimizers; nobody trains it."""
    cfg = small_config(name)
    model = MODELS.build(cfg.model)
    return model, build_optim_wrapper(model, cfg.optim_wrapper)


def multipliers(name, player='segmentor'):
    """Learning rate of each part of a player, relative to the config's."""
    model, wrappers = build(name)
    base = load(name).optim_wrapper[player.split('_')[0]].optimizer.lr
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
