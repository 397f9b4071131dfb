import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmuda.models import DLV2Head


@pytest.fixture
def head():
    return DLV2Head(4, num_classes=3, in_index=1)


@pytest.fixture
def feats():
    torch.manual_seed(0)
    return torch.randn(2, 7, 5, 6), torch.randn(2, 4, 9, 13)


def sample(label):
    return SegDataSample(gt_sem_seg=PixelData(data=label))


def test_logits_are_sum_of_dilated_convolutions(head, feats):
    expected = sum(
        F.conv2d(
            feats[1],
            conv.weight,
            conv.bias,
            padding=dilation,
            dilation=dilation,
        )
        for conv, dilation in zip(head.convs, (6, 12, 18, 24), strict=True)
    )
    torch.testing.assert_close(head(feats), expected)


def test_dilations_set_number_of_branches(feats):
    head = DLV2Head(4, num_classes=3, in_index=1, dilations=(6, 12))
    assert [conv.dilation for conv in head.convs] == [(6, 6), (12, 12)]


def test_every_parameter_gets_a_gradient(head, feats):
    head(feats).sum().backward()
    assert [n for n, p in head.named_parameters() if p.grad is None] == []


def test_parameter_names(head):
    assert list(head.state_dict()) == [
        f'convs.{i}.{kind}' for i in range(4) for kind in ('weight', 'bias')
    ]


def test_weights_start_from_small_normal():
    head = DLV2Head(256, num_classes=19)
    head.init_weights()
    std = float(torch.stack([c.weight for c in head.convs]).std())
    assert std == pytest.approx(0.01, rel=0.02)


def test_biases_keep_framework_default():
    head = DLV2Head(256, num_classes=19)
    biases = torch.stack([conv.bias for conv in head.convs]).clone()
    head.init_weights()
    assert torch.equal(torch.stack([c.bias for c in head.convs]), biases)


def test_init_cfg_overrides_normal():
    init_cfg = dict(type='Constant', layer='Conv2d', val=2.0)
    head = DLV2Head(4, num_classes=3, init_cfg=init_cfg)
    head.init_weights()
    assert torch.equal(head.convs[0].weight, torch.full((3, 4, 3, 3), 2.0))


def test_loss_averages_valid_pixels_of_aligned_logits(head):
    logits = torch.randn(1, 3, 3, 4)
    label = torch.randint(0, 3, (1, 9, 10))
    label[:, :4] = 255
    losses = head.loss_by_feat(logits, [sample(label)])
    full = F.interpolate(logits, (9, 10), mode='bilinear', align_corners=True)
    expected = F.cross_entropy(full, label, ignore_index=255)
    torch.testing.assert_close(losses['loss_ce'], expected)


def test_loss_without_valid_pixel_is_zero(head):
    label = torch.full((1, 9, 10), 255)
    losses = head.loss_by_feat(torch.randn(1, 3, 3, 4), [sample(label)])
    assert float(losses['loss_ce']) == 0


def test_prediction_has_image_size(head, feats):
    logits = head.predict(feats, [dict(img_shape=(33, 47))] * 2, None)
    assert logits.shape == (2, 3, 33, 47)


def test_dropout_acts_in_training_only(feats):
    head = DLV2Head(4, num_classes=3, in_index=1, dropout_ratio=0.5)
    head.eval()
    assert torch.equal(head(feats), head(feats))
    head.train()
    assert not torch.equal(head(feats), head(feats))
