"""One module computes what mmseg's steps do."""

import numpy as np
import pytest
import torch
from exported_networks import (
    ANY_SIZE,
    CLASSES,
    FIXED_SIZE,
    checkpoint_of,
    config_of,
    network_of,
)
from mmengine.config import Config
from mmseg.structures import SegDataSample

from mmuda.export import ImageSegmentor, load_segmentor
from mmuda.registry import MODELS


def image_of(size=(45, 67)):
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (*size, 3), np.uint8)


def trained(tmp_path, segmentor, **config):
    """A segmentor from files, and the model of its config, filled alike."""
    network = network_of(segmentor)
    path = tmp_path / 'iter_1.pth'
    torch.save(checkpoint_of(segmentor=network), path)
    cfg = Config(config_of(segmentor, **config))
    model = MODELS.build(cfg.model).eval()
    model.segmentor.load_state_dict(network.state_dict())
    return load_segmentor(cfg, str(path)), model


def predicted(model, image, **meta):
    """Logits as a test has them of an image that OpenCV has read."""
    meta = dict(img_shape=image.shape[:2], ori_shape=image.shape[:2]) | meta
    # RGB (H, W, 3) -> BGR (3, H, W)
    tensor = torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1)
    data = dict(inputs=[tensor], data_samples=[SegDataSample(metainfo=meta)])
    return model.test_step(data)[0].seg_logits.data


def shown(image):
    return torch.from_numpy(image).permute(2, 0, 1)[None].float()


@pytest.mark.parametrize('bgr_to_rgb', [False, True])
def test_logits_are_those_of_a_test(tmp_path, bgr_to_rgb):
    found, model = trained(
        tmp_path, ANY_SIZE['deeplabv2'], bgr_to_rgb=bgr_to_rgb
    )
    module = ImageSegmentor(found.network, found.normalisation)
    expected = predicted(model, image_of())
    with torch.no_grad():
        assert torch.equal(module(shown(image_of()))[0], expected)
    assert expected.std() > 0


def test_normalisation_is_told_in_the_order_of_the_input(tmp_path):
    found, _ = trained(tmp_path, ANY_SIZE['deeplabv2'], bgr_to_rgb=False)
    assert found.normalisation.mean == (120.0, 110.0, 100.0)
    assert found.normalisation.std == (70.0, 60.0, 50.0)
    assert found.normalisation.channels == 'BGR'


def test_images_that_the_network_pads(tmp_path):
    found, model = trained(tmp_path, FIXED_SIZE['hrda'])
    module = ImageSegmentor(found.network, found.normalisation)
    expected = predicted(model, image_of((70, 101)))
    with torch.no_grad():
        assert torch.equal(module(shown(image_of((70, 101))))[0], expected)


def test_images_that_the_preprocessor_pads(tmp_path):
    segmentor = ANY_SIZE['daformer']
    network = network_of(segmentor)
    torch.save(
        dict(checkpoint_of(), state_dict=network.state_dict()),
        tmp_path / 'plain.pth',
    )
    preprocessor = dict(
        type='SegDataPreProcessor',
        mean=[100.0, 110.0, 120.0],
        std=[50.0, 60.0, 70.0],
        bgr_to_rgb=True,
        size_divisor=32,
        test_cfg=dict(size_divisor=32),
    )
    plain = dict(segmentor, data_preprocessor=preprocessor)
    cfg = Config(dict(default_scope='mmuda', model=plain))
    found = load_segmentor(cfg, str(tmp_path / 'plain.pth'))
    assert (found.name, found.normalisation.divisor) == ('', 32)
    model = MODELS.build(cfg.model).eval()
    model.load_state_dict(network.state_dict())
    module = ImageSegmentor(found.network, found.normalisation)
    expected = predicted(model, image_of())
    with torch.no_grad():
        logits = module(shown(image_of()))[0]
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)


def test_outputs_by_name(tmp_path):
    found, _ = trained(tmp_path, ANY_SIZE['deeplabv2'])
    names = ('labels', 'probabilities', 'logits')
    module = ImageSegmentor(found.network, found.normalisation, names)
    with torch.no_grad():
        labels, probabilities, logits = module(shown(image_of()))
    assert labels.dtype == torch.uint8
    assert torch.equal(labels.long(), logits.argmax(1))
    assert torch.equal(probabilities, logits.softmax(1))
    assert probabilities.shape == (1, len(CLASSES), 45, 67)


def test_one_channel_for_two_classes():
    segmentor = dict(
        ANY_SIZE['deeplabv2'],
        decode_head=dict(
            type='FCNHead',
            in_channels=64,
            in_index=0,
            channels=8,
            num_convs=1,
            concat_input=False,
            num_classes=2,
            out_channels=1,
            threshold=0.4,
            loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True),
        ),
    )
    from mmuda.export.trained_segmentor import Normalisation

    normalisation = Normalisation((0,) * 3, (255,) * 3, 'RGB')
    names = ('labels', 'probabilities')
    module = ImageSegmentor(network_of(segmentor), normalisation, names)
    with torch.no_grad():
        labels, probabilities = module(shown(image_of()))
    assert torch.equal(labels, (probabilities[:, 1] > 0.4).byte())
    torch.testing.assert_close(probabilities.sum(1), torch.ones(1, 45, 67))
