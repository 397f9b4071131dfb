import modern_goldens
import pytest
import torch
from modern_goldens import starting_with

from mmuda.convert.from_daformer import (
    left_out,
    method_from_published,
    method_to_published,
    network_from_published,
    network_to_published,
)
from mmuda.convert.from_segformer import (
    backbone_from_published,
    backbone_to_published,
)
from mmuda.models import DAFormerHead, DLV2Head, MiT, UDAEncoderDecoder
from mmuda.utils.errors import CheckpointError

DEEPLAB = dict(
    backbone=dict(
        type='ResNetV1c',
        depth=18,
        stem_channels=4,
        base_channels=4,
        out_indices=(3,),
    ),
    decode_head=dict(
        type='mmuda.DLV2Head',
        in_channels=32,
        in_index=0,
        num_classes=19,
        dilations=(6, 12),
    ),
)
DAFORMER = dict(
    backbone=modern_goldens.MIT,
    decode_head=dict(
        type='mmuda.DAFormerHead',
        in_channels=modern_goldens.WIDTHS,
        channels=16,
        num_classes=19,
    ),
)


def encoder():
    return starting_with(modern_goldens.load('mit'), 'w.')


def head(fusion):
    return starting_with(modern_goldens.load('head'), f'{fusion}.w.')


def prefixed(prefix, tensors):
    return {prefix + name: tensor for name, tensor in tensors.items()}


def daformer():
    """As DAFormer's code names them."""
    return prefixed('backbone.', encoder()) | prefixed(
        'decode_head.', head('sepaspp')
    )


def hrda():
    """As HRDA's code names them."""
    return (
        prefixed('backbone.', encoder())
        | prefixed('decode_head.head.', head('sepaspp'))
        | prefixed('decode_head.scale_attention.', head('conv1'))
    )


def deeplab():
    """DeepLab-V2 as DAFormer's code names it."""
    own = UDAEncoderDecoder(**DEEPLAB).state_dict()
    return {
        name.replace('convs.', 'aspp_modules.')
        .replace('.weight', '.conv.weight' if '.convs.' in name else '.weight')
        .replace('.bias', '.conv.bias' if '.convs.' in name else '.bias'): t
        for name, t in own.items()
    }


def counted(tensors):
    """With the counters that files of today have."""
    return dict(tensors) | {
        name.replace('running_mean', 'num_batches_tracked'): torch.tensor(0)
        for name in tensors
        if name.endswith('running_mean')
    }


@pytest.mark.parametrize(
    ('config', 'published'), [(DAFORMER, daformer), (DEEPLAB, deeplab)]
)
def test_network_fits_ours(config, published):
    model = UDAEncoderDecoder(**config).double()
    model.load_state_dict(network_from_published(published()))


@pytest.mark.parametrize('published', [daformer, hrda, deeplab])
def test_network_survives_both_directions(published):
    state_dict = counted(published())
    back = network_to_published(network_from_published(state_dict))
    torch.testing.assert_close(back, state_dict, rtol=0, atol=0)


@pytest.mark.parametrize(
    ('part', 'fusion'),
    [('decode_head.', 'sepaspp'), ('attention_head.', 'conv1')],
)
def test_heads_of_hrda_fit_ours(part, fusion):
    own = network_from_published(hrda())
    model = DAFormerHead(
        modern_goldens.WIDTHS, num_classes=19, channels=16, fusion=fusion
    )
    model.load_state_dict(starting_with(own, part))


def test_heads_of_hrda_may_be_those_of_deeplab():
    network = deeplab()
    names = [name for name in network if name.startswith('decode_head.')]
    parts = {n.removeprefix('decode_head.'): network.pop(n) for n in names}
    for part in ('head.', 'scale_attention.'):
        network |= prefixed(f'decode_head.{part}', parts)
    own = network_from_published(network)
    model = DLV2Head(32, num_classes=19, dilations=(6, 12))
    model.load_state_dict(starting_with(own, 'attention_head.'))
    back = network_to_published(own)
    torch.testing.assert_close(back, network, rtol=0, atol=0)


@pytest.mark.parametrize(
    ('old', 'new'),
    [
        ('patch_embed2.proj.bias', 'layers.1.0.projection.bias'),
        ('norm3.weight', 'layers.2.2.weight'),
        ('block1.0.attn.proj.bias', 'layers.0.1.0.attn.attn.out_proj.bias'),
        ('block2.0.attn.norm.bias', 'layers.1.1.0.attn.norm.bias'),
        ('block4.0.mlp.fc1.bias', 'layers.3.1.0.ffn.layers.0.bias'),
    ],
)
def test_tensor_gets_name(old, new):
    state_dict = encoder()
    assert torch.equal(
        backbone_from_published(state_dict)[new], state_dict[old]
    )


def test_queries_come_before_keys_and_values():
    state_dict = encoder()
    joint = backbone_from_published(state_dict)[
        'layers.1.1.0.attn.attn.in_proj_weight'
    ]
    assert torch.equal(joint[:8], state_dict['block2.0.attn.q.weight'])
    assert torch.equal(joint[8:], state_dict['block2.0.attn.kv.weight'])


@pytest.mark.parametrize('depths', [(2, 1, 3, 2), (1, 12, 1, 1)])
def test_encoder_of_any_depth_survives_both_directions(depths):
    own = MiT(embed_dims=4, num_heads=[1, 2, 3, 4], num_layers=depths)
    published = backbone_to_published(own.state_dict())
    assert 'block3.0.attn.q.weight' in published
    back = backbone_from_published(published)
    torch.testing.assert_close(back, dict(own.state_dict()), rtol=0, atol=0)


def test_classifier_of_imagenet_is_left_out():
    classifier = {'head.weight': torch.ones(3, 16), 'head.bias': torch.ones(3)}
    own = backbone_from_published(encoder() | classifier)
    assert own.keys() == backbone_from_published(encoder()).keys()


def test_parts_of_a_method_get_our_names():
    teacher = {name: 2 * values for name, values in daformer().items()}
    own = method_from_published(
        prefixed('model.', daformer())
        | prefixed('ema_model.', teacher)
        | prefixed('imnet_model.', daformer())
    )
    segmentor = starting_with(own, 'segmentor.')
    assert segmentor.keys() == starting_with(own, 'teacher.').keys()
    name = 'decode_head.conv_seg.weight'
    assert torch.equal(own[f'teacher.{name}'], 2 * segmentor[name])
    imagenet = starting_with(own, 'imagenet.')
    expected = backbone_from_published(encoder())
    torch.testing.assert_close(imagenet, expected, rtol=0, atol=0)


def test_bare_network_becomes_the_segmentor():
    own = method_from_published(daformer())
    assert {name.split('.')[0] for name in own} == {'segmentor'}


@pytest.mark.parametrize('own', ['ema_model.', 'mic.teacher.ema_model.'])
def test_teacher_of_mic_is_a_teacher(own):
    state_dict = prefixed('model.', daformer()) | prefixed(own, hrda())
    teacher = starting_with(method_from_published(state_dict), 'teacher.')
    assert any(name.startswith('attention_head.') for name in teacher)


def test_teachers_of_method_and_of_mic_stay_apart():
    published = {
        prefix + name: factor * tensor
        for factor, prefix in enumerate(
            ('model.', 'ema_model.', 'mic.teacher.ema_model.'), start=1
        )
        for name, tensor in counted(hrda()).items()
    }
    own = method_from_published(published)
    name = 'decode_head.conv_seg.weight'
    segmentor = own[f'segmentor.{name}']
    assert torch.equal(own[f'teacher.{name}'], 2 * segmentor)
    assert torch.equal(own[f'masked_teacher.{name}'], 3 * segmentor)
    back = method_to_published(own)
    torch.testing.assert_close(back, published, rtol=0, atol=0)


def test_student_and_teacher_go_back():
    state_dict = prefixed('model.', counted(hrda())) | prefixed(
        'ema_model.', counted(hrda())
    )
    own = method_from_published(state_dict)
    back = method_to_published(own | {'imagenet.a': torch.zeros(1)})
    torch.testing.assert_close(back, state_dict, rtol=0, atol=0)


def test_parts_that_are_left_out_are_named():
    state_dict = prefixed('model.', daformer()) | {
        'discriminator.weight': torch.zeros(1)
    }
    assert left_out(state_dict) == ['discriminator']


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('backbone.norm3.bias', r'net\.pth .*missing: backbone\.norm3\.bias'),
        (
            'backbone.block2.0.attn.kv.weight',
            r'missing: backbone\.block2\.0\.attn\.qkv\.weight.*unknown',
        ),
        (
            'decode_head.fuse_layer.bottleneck.bn.weight',
            r'missing: decode_head\.fuse_layer\.bottleneck\.bn\.weight',
        ),
        ('decode_head.conv_seg.weight', 'missing: .*conv_seg.weight'),
    ],
)
def test_missing_tensor_is_named(name, message):
    state_dict = daformer()
    del state_dict[name]
    with pytest.raises(CheckpointError, match=message):
        network_from_published(state_dict, 'net.pth')


@pytest.mark.parametrize(
    'name',
    [
        'backbone.block3.0.mlp.fc2.weight',
        'decode_head.fuse_layer.aspp_modules.2.pointwise_conv.conv.weight',
    ],
)
def test_tensor_of_other_shape_is_named(name):
    state_dict = daformer()
    state_dict[name] = state_dict[name][:, :3]
    with pytest.raises(CheckpointError, match=rf'net\.pth: {name} has the'):
        network_from_published(state_dict, 'net.pth')


def test_other_network_is_refused():
    state_dict = {'backbone.conv1.weight': torch.zeros(1)}
    with pytest.raises(CheckpointError, match='Expected is a MiT or a ResNet'):
        method_from_published(state_dict, 'net.pth')


def test_own_checkpoint_without_segmentor_is_refused():
    with pytest.raises(CheckpointError, match=r'no tensor segmentor\.'):
        method_to_published({'teacher.a': torch.zeros(1)}, 'own.pth')
