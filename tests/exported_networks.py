"""Small networks of every family, and files of their training."""

import copy

import pytest
import torch
from hrda_models import hrda_config
from mmengine.config import Config
from packaging.version import Version
from tiny_transformers import rein_config, vit_config
from tools_in_process import load_tool

from mmuda.registry import MODELS

WRITES_ONNX = pytest.mark.skipif(
    Version(torch.__version__) < Version('2.7'),
    reason='PyTorch 2.6 does not write ONNX',
)
CLASSES = ('road', 'sky', 'car', 'tree', 'wall')
PALETTE = [[128, 64, 128], [70, 130, 180], [0, 0, 142], [0, 90, 0], [9, 9, 9]]
TOOL = load_tool('model_converters/export.py')
_HEAD = dict(num_classes=len(CLASSES))
_RESNET = dict(
    type='DeepLabResNet', depth=18, base_channels=8, out_indices=(3,)
)
_V1C = dict(
    type='ResNetV1c',
    depth=18,
    base_channels=8,
    stem_channels=8,
    out_indices=(0, 3),
    strides=(1, 2, 2, 1),
    dilations=(1, 1, 1, 2),
    norm_cfg=dict(type='BN'),
)
_MIT = dict(
    type='MiT', embed_dims=8, num_layers=[1] * 4, num_heads=[1, 1, 2, 2]
)
_LITE = dict(type='EfficientNetLite', output_stride=16, out_indices=(1, 3))
_DECODER = dict(
    in_channels=64, in_index=1, channels=16, c1_in_channels=8, c1_channels=8
)
_GROUPS = dict(norm_cfg=dict(type='GN', num_groups=4))
_LEVELS = dict(in_channels=[8, 8, 16, 16], channels=16)
_ONE_MAP = dict(in_index=0)


def _segmentor(backbone, head, **kwargs):
    return (
        dict(
            type='UDAEncoderDecoder',
            backbone=copy.deepcopy(backbone),
            decode_head=_HEAD | copy.deepcopy(head),
            test_cfg=dict(mode='whole'),
        )
        | kwargs
    )


def _vit(**kwargs):
    return _segmentor(
        vit_config(**kwargs), dict(type='VFMHead', in_channels=24)
    )


#: Those of which a file takes images of any size.
ANY_SIZE = {
    'deeplabv2': _segmentor(
        _RESNET, dict(type='DLV2Head', in_channels=64, in_index=0)
    ),
    'vgg': _segmentor(
        dict(type='DeepLabVGG', fc_channels=16),
        dict(type='DLV2Head', in_channels=16, in_index=0),
    ),
    'aspp': _segmentor(
        _RESNET,
        dict(type='ASPPSEHead', in_channels=64, channels=16, num_groups=4)
        | _ONE_MAP,
    ),
    'efficientnet-lite': _segmentor(
        _LITE,
        dict(
            type='ASPPSEHead',
            in_channels=[24, 80],
            in_index=[0, 1],
            input_transform='resize_concat',
            channels=16,
            num_groups=4,
            align_corners=False,
        ),
    ),
    'deeplabv3plus_detectron2': _segmentor(
        _V1C, dict(type='DeepLabV3PlusHead') | _DECODER | _GROUPS
    ),
    'deeplabv3plus': _segmentor(
        _V1C,
        dict(type='DepthwiseSeparableASPPHead', dilations=(1, 6))
        | _DECODER
        | dict(norm_cfg=dict(type='BN')),
    ),
    'segformer': _segmentor(
        _MIT,
        dict(
            type='SegformerHead',
            in_index=[0, 1, 2, 3],
            norm_cfg=dict(type='BN'),
        )
        | _LEVELS,
    ),
    'daformer': _segmentor(_MIT, dict(type='DAFormerHead') | _LEVELS),
    'dinov2': _vit(),
    'dinov2_registers': _vit(num_registers=2),
    'dinov2_larger': _vit(input_scale=1.1),
    'dinov3': _vit(version=3),
    'rein': _segmentor(rein_config(), dict(type='VFMHead', in_channels=24)),
}
#: Those that need a fixed one.
FIXED_SIZE = {
    'hrda': hrda_config(),
    'deeplabv3plus_windows': _segmentor(
        _V1C,
        dict(type='DeepLabV3PlusHead', pool_size=(3, 3)) | _DECODER | _GROUPS,
    ),
    'psp': _segmentor(
        _V1C,
        dict(type='PSPHead', in_channels=64, in_index=1, channels=8)
        | dict(norm_cfg=dict(type='BN')),
    ),
}


def network_of(segmentor, seed=0):
    """A network whose logits differ from pixel to pixel, for prediction."""
    torch.manual_seed(seed)
    network = MODELS.build(copy.deepcopy(segmentor))
    network.init_weights()
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
        if isinstance(module, torch.nn.Conv2d) and module.bias is None:
            continue
        if hasattr(module, 'conv_seg'):
            module.conv_seg.weight.data.normal_(0, 1)
    return network.requires_grad_(False).eval()


def config_of(segmentor, bgr_to_rgb=True, **model):
    """Config of a method around it."""
    return dict(
        default_scope='mmuda',
        model=dict(
            type='SourceOnly',
            segmentor=segmentor,
            data_preprocessor=dict(
                type='DomainDataPreprocessor',
                mean=[100.0, 110.0, 120.0],
                std=[50.0, 60.0, 70.0],
                bgr_to_rgb=bgr_to_rgb,
            ),
        )
        | model,
    )


def checkpoint_of(**networks):
    """What a training writes of networks by name."""
    state = {
        f'{name}.{key}': value
        for name, network in networks.items()
        for key, value in network.state_dict().items()
    }
    meta = dict(dataset_meta=dict(classes=CLASSES, palette=PALETTE))
    return dict(meta=meta, state_dict=state)


def method_files(folder):
    """Write a config and a checkpoint of its training, with a teacher."""
    segmentor = ANY_SIZE['deeplabv2']
    student, teacher = (network_of(segmentor, seed) for seed in (1, 2))
    checkpoint = checkpoint_of(segmentor=student, teacher=teacher)
    torch.save(checkpoint, folder / 'iter_1.pth')
    config = config_of(segmentor, bgr_to_rgb=False, teacher=True)
    Config(config).dump(folder / 'method.py')
    return folder


def run(folder, out, *words):
    """Run the tool; give the file that it writes."""
    words = [folder / 'method.py', folder / 'iter_1.pth', *words]
    words += ['--out', folder / out]
    TOOL['main'](TOOL['parse_args']([str(word) for word in words]))
    return folder / out
