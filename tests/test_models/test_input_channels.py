"""Images, the mean that they are normalised by, and the first layer."""

from types import SimpleNamespace

import pytest
import torch
from mmseg.structures import SegDataSample
from tiny_models import segmentor_config

from mmuda.evaluation.training_pictures import shown_tiles
from mmuda.hooks.channel_checks import SeenImage, check_colour_changes
from mmuda.models.augmentation import StrongAugmentation
from mmuda.models.input_channels import channel_fault, first_channels
from mmuda.models.style import transfer_colors
from mmuda.models.uda import CCL, MLCL, CoaST
from mmuda.registry import MODELS
from mmuda.utils.errors import CheckpointError, ConfigError, DataError


def backbone(channels, **changes):
    config = segmentor_config()['backbone'] | dict(in_channels=channels)
    return MODELS.build(config | changes)


@pytest.mark.parametrize(
    ('channels', 'normalised', 'taken'),
    [(3, 3, 3), (4, 4, 4), (4, None, 4), (1, 3, 3), (4, 1, 4), (1, 1, 1)],
)
def test_what_fits(channels, normalised, taken):
    assert channel_fault(channels, normalised, taken) is None


@pytest.mark.parametrize(
    ('channels', 'normalised', 'taken', 'words'),
    [
        (4, 3, 3, 'mean and std of 3: give it 4'),
        (3, 4, 4, "and std of 4: give it 3, .* or read all .*'unchanged'"),
        (3, 3, 4, "takes 4: read all channels .*'unchanged'.* in_channels=3"),
        (4, 4, 3, 'first layer takes 3: set in_channels=4'),
        (1, 3, 1, 'has 3 channels when it reaches the network'),
        (3, 3, 1, "or read grey images by .*'grayscale'"),
        (1, None, 3, 'set in_channels=1'),
    ],
)
def test_what_does_not_fit(channels, normalised, taken, words):
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(channel_fault(channels, normalised, taken))


@pytest.mark.parametrize('channels', [1, 3, 4, 25])
def test_the_first_layer_of_a_network(channels):
    assert first_channels(backbone(channels)) == channels
    assert first_channels(torch.nn.ReLU()) is None


def test_four_channels_are_normalised_each_by_its_own():
    mean, std = [1.0, 2.0, 3.0, 400.0], [1.0, 2.0, 4.0, 100.0]
    preprocessor = MODELS.build(
        dict(
            type='DomainDataPreprocessor',
            mean=mean,
            std=std,
            # of three channels alone
            bgr_to_rgb=True,
        )
    )
    image = torch.arange(4.0)[:, None, None].expand(4, 2, 3) * 100
    sample = SegDataSample(metainfo=dict(img_path='a.tiff'))
    data = dict(inputs=[image], data_samples=[sample])
    found = preprocessor(dict(data))['inputs']
    expected = [(100 * c - mean[c]) / std[c] for c in range(4)]
    assert found.shape == (1, 4, 2, 3)
    assert found[0, :, 1, 1].tolist() == pytest.approx(expected)
    data['inputs'] = [image[:3]]
    with pytest.raises(DataError, match='^a.tiff has 3 channels, and .* of 4'):
        preprocessor(data)


def test_weights_of_three_channels(tmp_path):
    """Refused, unless the config names the layer that stays at random."""
    file = str(tmp_path / 'colours.pth')
    torch.save(backbone(3).state_dict(), file)
    init = dict(type='Pretrained', checkpoint=file)
    network = backbone(4, init_cfg=init)
    with pytest.raises(CheckpointError, match=r'conv1\.weight.*partial='):
        network.init_weights()
    network = backbone(4, init_cfg=init | dict(partial=['conv1']))
    before = network.conv1.weight.clone()
    network.init_weights()
    assert torch.equal(network.conv1.weight, before)
    stored = torch.load(file)
    name = 'layer1.0.conv1.weight'
    assert torch.equal(network.state_dict()[name], stored[name])


def test_colours_of_four_channels_do_not_jitter():
    augmentation = StrongAugmentation(jitter_probability=1)
    images = torch.rand(2, 4, 8, 8)
    with pytest.raises(
        ConfigError, match='4 channels; set model.augmentation'
    ):
        augmentation.apply(images, augmentation.draw(2))
    blur = StrongAugmentation(jitter_probability=0, blur_probability=1)
    torch.manual_seed(0)
    draws = blur.draw(2)
    each = [blur.apply(images[:, c : c + 1], draws) for c in range(4)]
    assert torch.allclose(blur.apply(images, draws), torch.cat(each, dim=1))


def colours(jitter=1.0, exchanges_colours=False):
    return SimpleNamespace(
        augmentation=StrongAugmentation(jitter_probability=jitter),
        exchanges_colours=exchanges_colours,
    )


def test_values_of_16_bits_do_not_jitter():
    deep = [SeenImage('a.tiff', 3, False)]
    with pytest.raises(ConfigError, match='3 channels that are not of 8 bits'):
        check_colour_changes(colours(), deep, exchanges=True)
    check_colour_changes(colours(), [SeenImage('a', 3, True)], exchanges=True)
    check_colour_changes(colours(jitter=0), deep, exchanges=True)


@pytest.mark.parametrize('image', [(3, False), (4, True)])
def test_colours_of_other_units_are_not_exchanged(image):
    method, seen = colours(0, True), [SeenImage('a.tiff', *image)]
    with pytest.raises(ConfigError, match=r"'a\.tiff' has .*style_begin=None"):
        check_colour_changes(method, seen, exchanges=True)
    check_colour_changes(method, seen, exchanges=False)
    assert MLCL.exchanges_colours
    assert CCL.exchanges_colours
    assert not CoaST.exchanges_colours


def test_colours_are_not_exchanged():
    images = torch.rand(2, 4, 4, 6) * 255
    with pytest.raises(ConfigError, match='colours of images.* 4 channels'):
        transfer_colors(images, images[:, :3])


@pytest.mark.parametrize(
    ('image', 'expected'),
    [
        ([[0.0, 100.0, 255.4]], [[0, 100, 255]]),
        # 14 bits, shares of white, and what is no pixel
        ([[0.0, 8000.0, 16383.0]], [[0, 125, 255]]),
        ([[0.0, 0.2, 1.0]], [[0, 51, 255]]),
        ([[-100.0, 0.0, 100.0]], [[0, 128, 255]]),
    ],
)
def test_pictures_of_what_a_network_learned(image, expected):
    """Three channels in any units, as they were before normalisation."""
    preprocessor = MODELS.build(
        dict(
            type='DomainDataPreprocessor',
            mean=[50.0, 60.0, 70.0],
            std=[4.0, 5.0, 6.0],
            bgr_to_rgb=True,
        )
    )
    values = torch.tensor(image).expand(3, 1, 3)
    normalised = (values - preprocessor.mean) / preprocessor.std
    shown = dict(mixed=normalised)
    found = shown_tiles(shown, (1, 3), preprocessor, [[0, 0, 0]])['mixed']
    assert found[..., 0].tolist() == expected
