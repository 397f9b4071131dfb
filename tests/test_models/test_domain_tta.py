"""Predictions of several versions of an image, merged."""

import copy

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from tiny_models import model_config, segmentor_config

from mmuda.engine.predicting_head import check_own_heads, predicting_by
from mmuda.models.losses.alignment import entropy_map
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError


def merging():
    return MODELS.build(
        dict(type='DomainTTAModel', module=model_config('MinEnt'))
    )


def predicted(logits, label=None):
    sample = SegDataSample(metainfo=dict(img_path='a.png'))
    sample.set_data(
        dict(
            seg_logits=PixelData(data=logits),
            pred_sem_seg=PixelData(data=logits.argmax(0, keepdim=True)),
        )
    )
    if label is not None:
        sample.gt_sem_seg = PixelData(data=label)
    return sample


def test_one_version_is_left_as_it_is():
    sample = predicted(torch.randn(5, 4, 6))
    logits = sample.seg_logits.data.clone()
    merged = merging().merge_preds([(sample,)])
    assert merged == [sample]
    assert torch.equal(merged[0].seg_logits.data, logits)


def test_mean_of_the_probabilities():
    first, second = (
        torch.tensor(p).log().view(3, 1, 1)
        for p in ([0.6, 0.3, 0.1], [0.1, 0.7, 0.2])
    )
    sample = merging().merge_preds([(predicted(first), predicted(second))])[0]
    assert sample.pred_sem_seg.data.tolist() == [[[1]]]
    torch.testing.assert_close(
        sample.seg_logits.data.exp().flatten(),
        torch.tensor([0.35, 0.5, 0.15]),
    )


def test_labels_and_names_are_those_of_the_first():
    label = torch.ones(1, 4, 6, dtype=torch.uint8)
    first = predicted(torch.randn(5, 4, 6), label)
    second = predicted(torch.randn(5, 4, 6), label * 2)
    merged = merging().merge_preds([(first, second)])[0]
    assert merged.gt_sem_seg.data.eq(1).all()
    assert merged.img_path == 'a.png'


def test_one_channel_is_refused():
    sample = predicted(torch.randn(1, 4, 6))
    with pytest.raises(ConfigError, match='SegTTAModel'):
        merging().merge_preds([(sample, sample)])


def mirrored_versions():
    """A model, a batch of an image and its mirror image, and what is in it."""
    size = (33, 40)
    torch.manual_seed(0)
    model = merging().eval()
    torch.nn.init.normal_(
        model.module.segmentor.decode_head.conv_seg.weight, std=30
    )
    image = torch.randint(0, 256, (3, *size), dtype=torch.uint8)
    versions = [image, image.flip(2)]
    metas = [
        dict(
            ori_shape=size,
            img_shape=size,
            img_path='a.png',
            flip=flip,
            flip_direction='horizontal',
        )
        for flip in (False, True)
    ]
    batch = dict(
        inputs=[[version] for version in versions],
        data_samples=[[SegDataSample(metainfo=meta)] for meta in metas],
    )
    return model, batch, versions, metas


def test_an_image_and_its_mirror_image():
    model, batch, versions, metas = mirrored_versions()
    with torch.no_grad():
        merged = model.test_step(batch)[0]
        straight, mirrored = (
            model.module.test_step(
                dict(
                    inputs=[version],
                    data_samples=[SegDataSample(metainfo=metas[0])],
                )
            )[0].seg_logits.data.softmax(dim=0)
            for version in versions
        )
    expected = (straight + mirrored.flip(2)) / 2
    assert len(merged.pred_sem_seg.data.unique()) > 1
    torch.testing.assert_close(merged.seg_logits.data.exp(), expected)
    assert torch.equal(merged.pred_sem_seg.data[0], expected.argmax(dim=0))


@pytest.mark.parametrize('outputs', [[], ['entropy']])
@pytest.mark.parametrize('count', [1, 2])
def test_merged_in_strips(outputs, count):
    model, batch, *_ = mirrored_versions()
    batch = {key: values[:count] for key, values in batch.items()}
    with torch.no_grad():
        whole = model.test_step(copy.deepcopy(batch))[0]
        model.choose_outputs(outputs)
        model.strip_values = 1
        lean = model.test_step(copy.deepcopy(batch))[0]
        model.choose_outputs(['logits'])
        again = model.test_step(batch)[0]
    assert set(lean.keys()) == {'pred_sem_seg', *outputs}
    assert torch.equal(lean.pred_sem_seg.data, whole.pred_sem_seg.data)
    assert torch.equal(again.seg_logits.data, whole.seg_logits.data)
    if outputs:
        expected = entropy_map(whole.seg_logits.data[None])
        torch.testing.assert_close(
            lean.entropy.data, expected, rtol=0, atol=2e-6
        )


def test_heads_of_targets_are_chosen_inside():
    segmentor = segmentor_config() | dict(
        type='MultiHeadEncoderDecoder', targets=['rome', 'oslo']
    )
    module = model_config('MinEnt', segmentor=segmentor)
    model = MODELS.build(dict(type='DomainTTAModel', module=module))
    check_own_heads(model, ['rome', 'oslo'])
    with predicting_by(model, 'oslo.decode'):
        assert model.module.segmentor.predict_head == 'oslo.decode'
    assert model.module.segmentor.predict_head == 'decode'
