"""Leaf configs with few channels, and batches as their loaders make them."""

import copy
from functools import cache
from pathlib import Path

import mtda_leaves
import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmuda.datasets.labels.label_maps import label_set_metainfo
from mmuda.registry import MODELS

ROOT = Path(__file__).parents[1] / 'configs'
LEAVES = sorted(
    str(path.relative_to(ROOT))
    for path in ROOT.glob('*/*.py')
    if path.parts[-2] != '_base_'
)
_BACKBONES = dict(
    DeepLabResNet=dict(base_channels=8, stem_channels=8),
    ResNetV1c=dict(base_channels=8, stem_channels=8),
    MiT=dict(embed_dims=8, num_layers=[1, 1, 1, 1]),
    DeepLabVGG=dict(fc_channels=32),
    # not that many, and of fixed number
    EfficientNetLite={},
    DINOVisionTransformer=dict(
        arch=dict(embed_dims=16, num_layers=2, num_heads=2), pretrain_size=56
    ),
)
# The least that discriminators take.
_SIZE = (32, 64)
# Of HRDA the images are twice as large, as it makes them smaller.
_DETAIL = _SIZE


@cache
def load(leaf):
    """A config that nobody changes; of several targets any setting."""
    folder, name = Path(leaf).parts
    if folder == 'mtda':
        return mtda_leaves.load(Path(name).stem)
    return Config.fromfile(ROOT / leaf)


def domains_of(cfg):
    """Kinds of transforms by the domains that a config trains on."""
    dataset = cfg.train_dataloader.dataset
    domains = dict(source=dataset.get('source'), target=dataset.get('target'))
    domains |= dataset.get('targets') or {}
    return {name: _kinds(part) for name, part in domains.items() if part}


def _kinds(dataset):
    part = dataset[0] if isinstance(dataset, list) else dataset
    while 'dataset' in part:
        part = part['dataset']
    return {
        step['type'] for step in part['pipeline'] if 'Pseudo' in step['type']
    }


def small_model(leaf):
    """The leaf's model with its heads on a backbone of few channels."""
    cfg = copy.deepcopy(load(leaf).model)
    segmentor = cfg.segmentor
    backbone = segmentor.backbone
    # Rein has one inside.
    inner = backbone.get('vit', backbone)
    inner.init_cfg = None
    if backbone.get('depth') == 101:
        backbone.depth = 50
    inner.update(_BACKBONES[inner.type])
    # A build may change its config.
    widths = channels_of(copy.deepcopy(backbone))
    for name in ('decode_head', 'auxiliary_head', 'attention_head'):
        if segmentor.get(name):
            _fit(segmentor[name], widths)
    if 'detail_crop_size' in segmentor:
        segmentor.detail_crop_size = _DETAIL
    if 'discriminator' in cfg:
        cfg.discriminator.base_channels = 4
    for term in cfg.get('terms', ()):
        if term.type == 'ClassRatioPrior':
            term.ratio = [1] * segmentor.decode_head.num_classes
        if term.get('block_size', 'token') != 'token':
            term.block_size = 8
    if cfg.get('ignored_rows'):
        cfg.ignored_rows = dict(top=1, bottom=2)
    if (cfg.get('class_mix') or {}).get('classes') == 'demand':
        # Those of the pseudo-labels.
        cfg.thresholds = [0.5] * segmentor.decode_head.num_classes
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    model.init_weights()
    source = load(leaf).train_dataloader.dataset.source
    source = source if isinstance(source, list) else [source]
    label_set = source[0].get('dataset', source[0]).get('label_set')
    if label_set in ('idda16', 'loveda7'):
        # as the loop that trains tells
        model.dataset_meta = label_set_metainfo(label_set)
    return model.train()


def channels_of(backbone):
    """Channels of each stage that a backbone gives."""
    network = MODELS.build(backbone)
    # mmseg's backbones return nothing.
    network.eval()
    with torch.no_grad():
        return [len(stage[0]) for stage in network(torch.zeros(1, 3, *_SIZE))]


def _fit(head, widths):
    index = head.get('in_index', -1)
    if head.type == 'DAFormerHead':
        head.in_channels = widths
    elif isinstance(index, int):
        head.in_channels = widths[index]
    else:
        head.in_channels = [widths[i] for i in index]
    if 'channels' in head or head.type == 'ASPPSEHead':
        head.channels = 32
    if 'c1_in_channels' in head:
        head.c1_in_channels = widths[0]
        head.c1_channels = 32


def batch_of(leaf, size=_SIZE):
    """Random images of all domains, as many of each as the config has."""
    cfg = load(leaf)
    if 'detail_crop_size' in cfg.model.segmentor:
        size = tuple(2 * side for side in size)
    classes = cfg.model.segmentor.decode_head.num_classes
    samples = cfg.train_dataloader.dataset.get('samples') or {}
    generator = torch.Generator().manual_seed(0)
    data = dict(inputs={}, data_samples={})
    for domain, kinds in domains_of(cfg).items():
        share = samples.get(domain) or samples.get('target')
        share = share if domain != 'source' else samples.get('source')
        count = cfg.train_dataloader.batch_size * (share or 1)
        fields = {'gt_sem_seg'} if domain == 'source' else kinds
        pairs = [
            _sample(size, classes, fields, generator) for _ in range(count)
        ]
        data['inputs'][domain] = [image for image, _ in pairs]
        data['data_samples'][domain] = [sample for _, sample in pairs]
    return data


def _sample(size, classes, fields, generator):
    image = torch.randint(
        0, 256, (3, *size), generator=generator, dtype=torch.uint8
    )
    blocks = torch.randint(
        0, classes, (1, size[0] // 8, size[1] // 8), generator=generator
    )
    label = blocks.repeat_interleave(8, 1).repeat_interleave(8, 2)
    sample = SegDataSample(metainfo=dict(img_shape=size, ori_shape=size))
    if 'gt_sem_seg' in fields:
        sample.gt_sem_seg = PixelData(data=label)
    if 'LoadPseudoLabels' in fields:
        sample.set_data(dict(pseudo_sem_seg=PixelData(data=label)))
    if 'LoadSoftPseudoLabels' in fields:
        soft = torch.nn.functional.one_hot(label[0], classes).permute(2, 0, 1)
        sample.set_data(dict(pseudo_soft_seg=PixelData(data=soft.half())))
        sample.set_data(dict(weak_image=PixelData(data=image)))
    return image, sample
