"""Small own networks, and another value for each of their options."""

from dataclasses import dataclass
from typing import Any

from tiny_transformers import ARCH, vit_config

NUM_CLASSES = 5
CONSTANT = dict(type='Constant', layer='Conv2d', val=0.5)
ZERO_LINEAR = dict(type='Constant', layer='Linear', val=0.5)


@dataclass(frozen=True)
class Beside:
    """A value, and what else a network has with and without it.

    For options that are for such networks alone.
    """

    value: Any
    options: dict


# Of mmseg's ``BaseDecodeHead``, on four maps of 16 channels each.
_LEVELS = dict(in_channels=[16, 16], in_index=[1, 3])
_ANY_HEAD = dict(
    in_channels=32,
    num_classes=3,
    channels=32,
    out_channels=Beside(1, dict(num_classes=2)),
    threshold=Beside(
        0.9,
        dict(
            num_classes=2,
            out_channels=1,
            threshold=0.1,
            loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True),
        ),
    ),
    dropout_ratio=0.5,
    conv_cfg=dict(type='ConvAWS'),
    norm_cfg=dict(type='GN', num_groups=4),
    act_cfg=dict(type='LeakyReLU'),
    in_index=2,
    input_transform=Beside('resize_concat', _LEVELS),
    loss_decode=dict(type='CrossEntropyLoss', loss_weight=3.0),
    ignore_index=1,
    sampler=dict(type='OHEMPixelSampler', thresh=0.1, min_kept=2),
    align_corners=False,
    init_cfg=CONSTANT,
)
_RESNET = dict(
    depth=18,
    style='pytorch',
    stage_blocks=(1, 2, 1, 1),
    strides=(1, 2, 2, 1),
    dilations=(1, 1, 1, 2),
    in_channels=1,
    stem_channels=16,
    base_channels=8,
    num_stages=3,
    out_indices=(2,),
    deep_stem=True,
    avg_down=True,
    frozen_stages=1,
    conv_cfg=dict(type='Conv2dAdaptivePadding'),
    norm_cfg=dict(type='GN', num_groups=2),
    norm_eval=True,
    # Neither is deformable; that needs operators that not every mmcv has.
    dcn=Beside(
        dict(type='ConvAWS'),
        dict(stage_with_dcn=(False, True, False, False)),
    ),
    stage_with_dcn=Beside(
        (False, True, False, False), dict(dcn=dict(type='ConvAWS'))
    ),
    plugins=[
        dict(cfg=dict(type='ContextBlock', ratio=0.5), position='after_conv3')
    ],
    multi_grid=(2,),
    contract_dilation=True,
    with_cp=True,
    zero_init_residual=True,
    pretrained='no_such_file.pth',
    init_cfg=CONSTANT,
)
_MIT = dict(
    in_channels=1,
    embed_dims=16,
    num_stages=3,
    num_layers=[1, 1, 1, 2],
    num_heads=[1, 2, 4, 4],
    patch_sizes=[5, 3, 3, 3],
    strides=[2, 2, 2, 2],
    sr_ratios=[4, 4, 2, 1],
    out_indices=(3,),
    mlp_ratio=2,
    qkv_bias=False,
    drop_rate=0.5,
    attn_drop_rate=0.5,
    drop_path_rate=0.9,
    act_cfg=dict(type='ReLU'),
    norm_cfg=dict(type='LN', eps=0.1),
    pretrained='no_such_file.pth',
    init_cfg=ZERO_LINEAR,
    with_cp=True,
)
_VIT = dict(
    arch=ARCH | dict(num_layers=2),
    version=3,
    patch_size=16,
    num_registers=2,
    pretrain_size=28,
    drop_path_rate=0.9,
    rope_rescale=Beside(None, dict(version=3)),
    input_scale=2,
    out_indices=(0, 2),
    recompute=True,
    init_cfg=ZERO_LINEAR,
)
_LITE = dict(
    arch='lite1',
    output_stride=Beside(8, dict(out_indices=(3,))),
    out_indices=(2,),
    frozen_stages=0,
    norm_cfg=dict(type='GN', num_groups=4),
    norm_eval=True,
    with_cp=True,
    init_cfg=CONSTANT,
)
_REIN = dict(
    vit=vit_config(input_scale=2),
    num_tokens=6,
    rank=0,
    scale=0.5,
    query_channels=4,
    init_cfg=ZERO_LINEAR,
)
_DISCRIMINATOR = dict(in_channels=3, base_channels=8, init_cfg=CONSTANT)

# By class: options of a small one, and another value of each option.
CASES: dict[str, tuple[dict, dict]] = {
    'DeepLabResNet': (
        dict(depth=50, stage_blocks=(1, 1, 1, 1), base_channels=4),
        _RESNET,
    ),
    'DeepLabVGG': (
        dict(fc_channels=8),
        dict(
            fc_channels=16, fc6_dilation=2, dropout_ratio=0, init_cfg=CONSTANT
        ),
    ),
    'MiT': (
        dict(embed_dims=8, num_layers=[1] * 4, num_heads=[1, 1, 2, 2]),
        _MIT,
    ),
    'DINOVisionTransformer': (dict(arch=ARCH, pretrain_size=56), _VIT),
    'ReinBackbone': (dict(vit=vit_config(), num_tokens=5, rank=2), _REIN),
    'EfficientNetLite': (dict(out_indices=(1,)), _LITE),
    'ASPPSEHead': (
        dict(in_channels=16, channels=16, num_groups=4),
        _ANY_HEAD | dict(dilations=(6, 12), num_groups=2, se_ratio=8),
    ),
    'DAFormerHead': (
        dict(channels=16) | _LEVELS,
        _ANY_HEAD
        | dict(
            in_channels=[16, 32],
            in_index=[2, 3],
            input_transform='resize_concat',
            align_corners=True,
            fusion='conv1',
            dilations=(1, 6),
        ),
    ),
    'DeepLabV3PlusHead': (
        dict(in_channels=16, channels=16, c1_in_channels=16, c1_channels=4),
        _ANY_HEAD
        | dict(
            align_corners=True,
            c1_in_channels=8,
            c1_channels=8,
            dilations=(1, 6),
            pool_size=(1, 1),
        ),
    ),
    'DLV2Head': (dict(in_channels=16), _ANY_HEAD | dict(dilations=(6, 12))),
    'VFMHead': (
        dict(in_channels=16),
        _ANY_HEAD | dict(align_corners=True, input_transform='resize_concat'),
    ),
    'FCDiscriminator': (
        dict(in_channels=NUM_CLASSES, base_channels=4),
        _DISCRIMINATOR,
    ),
    'CoaSTDiscriminator': (
        dict(in_channels=NUM_CLASSES, base_channels=4),
        _DISCRIMINATOR,
    ),
    'MultiLevelDiscriminator': (
        dict(levels=['decode'], in_channels=NUM_CLASSES, base_channels=4),
        _DISCRIMINATOR
        | dict(levels=['decode', 'aux'], level_type='CoaSTDiscriminator'),
    ),
}
