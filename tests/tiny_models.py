"""Small models and batches that many tests build."""

import copy

import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

NUM_CLASSES = 5

_HEAD = dict(
    type='FCNHead',
    channels=8,
    num_convs=1,
    concat_input=False,
    dropout_ratio=0,
    num_classes=NUM_CLASSES,
    norm_cfg=None,
    align_corners=True,
    loss_decode=dict(
        type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=1.0
    ),
)


def segmentor_config(two_heads=True, norm_eval=False, affine=False):
    """A ResNet-18 of width 8 with one or two FCN heads."""
    auxiliary = copy.deepcopy(_HEAD) | dict(in_channels=32, in_index=0)
    auxiliary['loss_decode']['loss_weight'] = 0.1
    return dict(
        type='UDAEncoderDecoder',
        backbone=dict(
            type='DeepLabResNet',
            depth=18,
            base_channels=8,
            out_indices=(2, 3),
            strides=(1, 2, 1, 1),
            dilations=(1, 1, 2, 4),
            style='caffe',
            norm_cfg=dict(type='BN', requires_grad=affine),
            norm_eval=norm_eval,
        ),
        decode_head=copy.deepcopy(_HEAD) | dict(in_channels=64, in_index=1),
        auxiliary_head=auxiliary if two_heads else None,
        test_cfg=dict(mode='whole'),
    )


def preprocessor_config():
    """Scales pixels to about [-1, 1]."""
    return dict(
        type='DomainDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3
    )


def model_config(method='AdvEnt', two_heads=True, **kwargs):
    """A UDA model around the tiny segmentor."""
    levels = ['decode', 'aux'] if two_heads else ['decode']
    weights = dict(zip(levels, (0.1, 0.02), strict=False))
    config = dict(
        type=method,
        data_preprocessor=preprocessor_config(),
        segmentor=kwargs.pop('segmentor', None) or segmentor_config(two_heads),
    )
    if method == 'AdvEnt':
        config |= dict(
            adversarial_weights=weights,
            discriminator=dict(
                type='MultiLevelDiscriminator',
                levels=levels,
                in_channels=NUM_CLASSES,
                base_channels=4,
            ),
        )
    if method == 'MinEnt':
        config |= dict(entropy_weights=weights)
    return config | kwargs


def optim_config(method='AdvEnt', **wrapper):
    """SGD for the segmentor, Adam for the discriminator."""
    config = dict(
        constructor='MultiOptimWrapperConstructor',
        segmentor=dict(
            type='OptimWrapper',
            optimizer=dict(
                type='SGD', lr=0.02, momentum=0.9, weight_decay=5e-4
            ),
            paramwise_cfg=dict(
                custom_keys={'decode_head': dict(lr_mult=10.0)}
            ),
        ),
    )
    if method == 'AdvEnt':
        config['discriminator'] = dict(
            type='OptimWrapper',
            optimizer=dict(type='Adam', lr=1e-3, betas=(0.9, 0.99)),
        )
    for name in ('segmentor', 'discriminator'):
        if name in config:
            config[name] |= wrapper
    return config


def logits_of(network, images):
    """Logits of all heads of a segmentor by name."""
    return network(images, heads=network.heads()).logits


def sample(size, generator, labelled, name='image.png'):
    """An image (3, H, W) and its sample, with a label if wanted."""
    image = torch.randint(
        0, 256, (3, *size), generator=generator, dtype=torch.uint8
    )
    data_sample = SegDataSample(
        metainfo=dict(img_shape=size, ori_shape=size, img_path=name)
    )
    if labelled:
        label = torch.randint(0, NUM_CLASSES, (1, *size), generator=generator)
        data_sample.gt_sem_seg = PixelData(data=label)
    return image, data_sample


def batch(count=1, seed=0, source_size=(33, 49), target_size=(33, 41)):
    """A training batch as the data loader gives it."""
    generator = torch.Generator().manual_seed(seed)
    inputs, samples = {}, {}
    for domain, size in (('source', source_size), ('target', target_size)):
        pairs = [
            sample(size, generator, domain == 'source') for _ in range(count)
        ]
        inputs[domain] = [image for image, _ in pairs]
        samples[domain] = [data_sample for _, data_sample in pairs]
    return dict(inputs=inputs, data_samples=samples)


def source_batch(**kwargs):
    """The source part of a training batch."""
    data = batch(**kwargs)
    return {key: {'source': value['source']} for key, value in data.items()}
