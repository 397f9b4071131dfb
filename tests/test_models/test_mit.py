"""The encoder of SegFormer against the published code's numbers."""

import modern_goldens
import pytest
import torch
from demo_data import ROOT
from hrda_models import NETWORKS, build, images_of
from mmengine.config import Config
from mmseg.models import MixVisionTransformer

from mmuda.convert.from_segformer import backbone_from_published
from mmuda.models import MiT
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError


@pytest.fixture(scope='module')
def goldens():
    return modern_goldens.load('mit')


def features(kind, goldens, image):
    encoder = kind(
        **{k: v for k, v in modern_goldens.MIT.items() if k != 'type'}
    )
    own = backbone_from_published(modern_goldens.starting_with(goldens, 'w.'))
    encoder.double().eval().load_state_dict(own)
    with torch.no_grad():
        return encoder(modern_goldens.normalised(goldens[image]))


@pytest.mark.parametrize('image', ['a', 'odd'])
def test_features_equal_goldens(goldens, image):
    found = features(MiT, goldens, f'image_{image}')
    for level, feature in enumerate(found):
        modern_goldens.assert_golden(feature, goldens[f'feat_{image}_{level}'])


def test_class_of_mmseg_has_other_features(goldens):
    found = features(MixVisionTransformer, goldens, 'image_a')
    difference = (found[3] - goldens['feat_a_3']).abs().max()
    assert difference > 1e-5


@pytest.mark.parametrize('network', ['segformer_mit-b0', 'aspp_mit-b5'])
def test_checkpoints_of_mmseg_s_class_load(network):
    """Those of trainings whose configs named it, and mmseg's own."""
    path = ROOT / f'configs/_base_/networks/{network}.py'
    config = dict(Config.fromfile(path).network.segmentor.backbone)
    small = dict(embed_dims=4, num_layers=[1] * 4, num_heads=[1, 2, 3, 4])
    config |= small | dict(init_cfg=None)
    ours = MODELS.build(config).eval()
    stock = MODELS.build(config | dict(type='MixVisionTransformer')).eval()
    assert type(ours) is MiT
    stock.init_weights()
    ours.load_state_dict(stock.state_dict(), strict=True)
    assert [*ours.state_dict()] == [*stock.state_dict()]
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        difference = (ours(image)[3] - stock(image)[3]).abs().max()
    assert 0 < difference < 0.05


def kept_for_backward(kind, image):
    """Bytes of all tensors that a pass keeps."""
    encoder = kind(embed_dims=8, num_heads=[1, 2, 3, 4])
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        features = encoder(image)
    assert features[0].requires_grad
    return sum(kept.values())


def test_attention_maps_are_not_kept_for_backward():
    image = torch.randn(1, 3, 128, 128)
    ours, stock = (
        kept_for_backward(kind, image) for kind in (MiT, MixVisionTransformer)
    )
    # In the first stage 32 x 32 places look at 4 x 4, in float32, 3 blocks.
    assert ours < stock - 3 * 32**2 * 4**2 * 4


def test_epsilons_equal_goldens(goldens):
    stage = MODELS.build(modern_goldens.MIT).layers[0]
    block = stage[1][0]
    norms = (stage[2], block.norm1, block.attn.norm, stage[0].norm)
    assert [norm.eps for norm in norms] == goldens['norm_eps'].tolist()


@pytest.mark.parametrize('kind', ['MiT', 'MixVisionTransformer'])
@pytest.mark.parametrize('training', [False, True])
def test_images_that_hrda_makes_too_small_are_refused(kind, training):
    backbone = dict(NETWORKS['SegformerHead'][0], type=kind)
    network = build(backbone=backbone).train(training)
    size, seen = ((32, 48), '24x16') if training else ((40, 72), '36x20')
    heads = dict(heads=('decode',)) if training else {}
    message = f'images of {seen} pixels, .* too small for {kind}; give it'
    with pytest.raises(ConfigError, match=message):
        network(images_of(size=size), **heads)
    network(images_of(size=(64, 64)), **heads)
