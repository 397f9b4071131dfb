import pytest
import torch
from mmseg.models.backbones import ResNetV1c

from mmuda.models.backbones import CoveringResNetV1c
from mmuda.utils.errors import CheckpointError

SIZES = dict(
    depth=18,
    base_channels=8,
    stem_channels=8,
    num_stages=2,
    strides=(1, 2),
    dilations=(1, 1),
    out_indices=(1,),
)


def backbone(path):
    pretrained = dict(type='Pretrained', checkpoint=str(path))
    return CoveringResNetV1c(**SIZES, init_cfg=pretrained)


@pytest.fixture
def weights():
    torch.manual_seed(0)
    return ResNetV1c(**SIZES).state_dict()


def test_weights_of_mmseg_fit(weights, tmp_path):
    weights['fc.weight'] = torch.zeros(10, 64)
    torch.save(weights, tmp_path / 'weights.pth')
    loaded = backbone(tmp_path / 'weights.pth')
    loaded.init_weights()
    state = loaded.state_dict()
    assert all(torch.equal(state[name], weights[name]) for name in state)


def test_weights_of_a_plain_stem_do_not_fit(weights, tmp_path):
    """ResNet's single convolution is ``conv1``, not ``stem``."""
    plain = {k: v for k, v in weights.items() if not k.startswith('stem.')}
    torch.save(plain, tmp_path / 'weights.pth')
    with pytest.raises(CheckpointError, match=r'missing \(stem\.0\.weight'):
        backbone(tmp_path / 'weights.pth').init_weights()
