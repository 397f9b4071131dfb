"""Images of four channels and 16 bits, from files to predictions."""

import re

import cv2
import numpy as np
import pytest
import torch
from demo_data import ROOT
from mmengine.config import Config
from PIL import Image
from tools_in_process import load_tool, run_loaded

from mmuda.apis import Segmenter
from mmuda.apis.prediction_inputs import Item
from mmuda.convert import plain_config
from mmuda.utils.config import load_config
from mmuda.utils.errors import ConfigError, DataError

MEAN, STD = [9000.0, 8000.0, 7000.0, 20000.0], [4000.0, 4000.0, 4000.0, 9000.0]
CONFIG = """
_base_ = [
    '{root}/configs/_base_/networks/deeplabv2_r18_small.py',
    '{root}/configs/_base_/methods/{method}.py',
    '{root}/configs/_base_/schedules/{schedule}.py',
    '{root}/configs/_base_/default_runtime.py',
]
network = dict(
    data_preprocessor=dict(mean={mean}, std={std}),
    segmentor=dict(
        backbone=dict(in_channels=4, base_channels=8, stem_channels=8),
        decode_head=dict(in_channels=32, num_classes=3),
        auxiliary_head=dict(in_channels=16, num_classes=3),
    ),
)
_load = dict(type='LoadImage', color_type='unchanged')
_labels, _pack = dict(type='LoadLabels'), dict(type='PackDomainInputs')
_steps = [dict(type='RandomFlip', prob=0.5), {step}_pack]
_fields = dict(
    type='FolderDataset',
    data_root='{data}',
    label_set=None,
    metainfo=dict(
        classes=['soil', 'crop', 'weed'],
        palette=[[120, 90, 60], [0, 200, 0], [200, 0, 0]],
    ),
    img_suffix='.tiff',
    seg_map_suffix='.png',
)
_all = dict(img_path='images', seg_map_path='labels')
_source = dict(_fields, data_prefix=_all, pipeline=[_load, _labels, *_steps])
_target = dict(
    _fields, data_prefix=dict(img_path='images'), pipeline=[_load, *_steps]
)
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='DomainInfiniteSampler', shuffle=True),
    dataset=dict(type='DomainDataset', source=_source, target=_target),
)
val_dataloader = dict(
    num_workers=0,
    dataset=dict(
        _fields, data_prefix=_all, pipeline=[_load, _labels, _pack],
        test_mode=True,
    ),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='DomainIoUMetric', prefix='fields')
test_evaluator = val_evaluator
train_cfg = dict(max_iters=2, val_interval=2)
default_hooks = dict(checkpoint=dict(interval=2), logger=dict(interval=1))
"""
KEYS = [f'field_{number}' for number in range(4)]


def field(seed, size=(48, 64)):
    """Blue, green, red and near infrared of a field, and its classes."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 3, (size[0] // 8, size[1] // 8), np.uint8)
    ids = ids.repeat(8, 0).repeat(8, 1)
    levels = np.array(
        [[9e3, 8e3, 7e3, 9e3], [5e3, 9e3, 5e3, 4e4], [5e3, 8e3, 6e3, 3e4]]
    )
    image = levels[ids] + rng.normal(0, 500, (*size, 4))
    return image.clip(0, 65535).astype(np.uint16), ids


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp('fields')
    for part in ('images', 'labels'):
        (root / part).mkdir()
    for seed, key in enumerate(KEYS):
        image, ids = field(seed)
        cv2.imwrite(str(root / f'images/{key}.tiff'), image)
        Image.fromarray(ids).save(root / f'labels/{key}.png')
    return root


def write(data, path, **changes):
    values = dict(method='minent', schedule='advent', step='', data=data)
    values |= dict(root=ROOT, mean=MEAN, std=STD) | changes
    path.write_text(CONFIG.format(**values))
    return path


def run(tool, *words, monkeypatch, capsys):
    return run_loaded(load_tool(tool), words, monkeypatch, capsys)


@pytest.fixture(scope='module')
def trained(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp('trained')
    config = write(data, folder / 'bands.py')
    with pytest.MonkeyPatch.context() as patch:
        tool = load_tool('train.py')
        words = ['tool', str(config), '--work-dir', str(folder / 'work')]
        patch.setattr('sys.argv', words)
        tool['main'](tool['parse_args']())
    return config, folder / 'work/iter_2.pth'


def test_all_four_channels_are_learned_from(trained):
    weights = torch.load(trained[1], weights_only=False)['state_dict']
    first = weights['segmentor.backbone.conv1.weight']
    assert first.shape[1] == 4
    assert first.isfinite().all()


def test_predictions_are_those_of_the_network(trained, data):
    """Of a file, of its array in both orders, and by hand."""
    segmenter = Segmenter(*map(str, trained), device='cpu')
    path = data / f'images/{KEYS[0]}.tiff'
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    of_file = segmenter.predict(str(path), outputs=['labels', 'probabilities'])
    values = (image.astype(np.float32) - np.float32(MEAN)) / np.float32(STD)
    inputs = torch.from_numpy(values).permute(2, 0, 1)[None]
    with torch.no_grad():
        network = segmenter.model.segmentor
        logits = segmenter.model.upsample(network(inputs), inputs)
    expected = logits.softmax(1)[0].numpy()
    np.testing.assert_allclose(of_file.probabilities, expected, atol=1e-5)
    rgb = image[..., [2, 1, 0, 3]]
    for array, order in ((image, 'bgr'), (rgb, 'rgb')):
        found = segmenter.predict(array, channel_order=order)
        np.testing.assert_array_equal(found.label_map, of_file.label_map)


def test_values_of_other_units_are_told(trained, data):
    segmenter = Segmenter(*map(str, trained), device='cpu')
    image = cv2.imread(str(data / f'images/{KEYS[0]}.tiff'), -1)
    kinds = {}
    for name, array in (('deep', image), ('bytes', (image >> 8).astype('u1'))):
        shown = segmenter._pipeline(Item(array, None))
        kinds[name] = [note.kind for note in shown.notes]
    assert kinds == dict(deep=[], bytes=['units'])


def test_pictures_show_the_first_three_channels(trained, data):
    segmenter = Segmenter(*map(str, trained), device='cpu')
    path = data / f'images/{KEYS[0]}.tiff'
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    shown = segmenter.predict(str(path)).image
    expected = np.rint(image[..., 2::-1].astype(np.float32) * (255 / 65535))
    np.testing.assert_array_equal(shown, expected)


@pytest.mark.parametrize('channels', [3, 5])
def test_an_array_of_other_channels_is_refused(trained, channels):
    segmenter = Segmenter(*map(str, trained), device='cpu')
    image = np.zeros((48, 64, channels), np.uint16)
    with pytest.raises(DataError, match=f'has {channels} channels, and .* 4'):
        segmenter.predict(image)


def test_tests_checks_and_pictures(
    trained, data, monkeypatch, capsys, tmp_path
):
    monkeypatch.chdir(tmp_path)
    context = dict(monkeypatch=monkeypatch, capsys=capsys)
    config, checkpoint = trained
    code, printed = run(
        'test.py', config, checkpoint, '--show-dir', 'shown', **context
    )
    assert code == 0, printed
    assert 'fields/mIoU' in printed
    assert len(list((tmp_path / 'shown').rglob('*.png'))) == len(KEYS)
    code, printed = run('misc/check_data.py', config, **context)
    assert code == 0, printed
    assert '16 bits' not in printed
    browse = 'analysis_tools/browse_dataset.py'
    code, printed = run(
        browse, config, '--count', 1, '--out', 'seen', **context
    )
    assert code == 0, printed


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (
            dict(mean=MEAN[:3], std=STD[:3]),
            r'field_0\.tiff. has 4 channels, and model\.data_preprocessor '
            r'has mean and std of 3',
        ),
        (
            dict(step="dict(type='PhotoMetricDistortion'), "),
            r'PhotoMetricDistortion changes colours of three channels .*'
            r'field_0\.tiff. has 4 channels up to \d+, not of 8 bits; leave',
        ),
        (
            dict(
                step="dict(type='Resize', scale=(64, 48), backend='pillow'), "
            ),
            r"Resize\(backend='pillow'\) takes colours of 8 bits .*'cv2'",
        ),
        (
            dict(method='dacs'),
            r'model\.augmentation changes brightness.* 4 channels.*; set '
            r'model\.augmentation=dict\(jitter_probability=0\)',
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_training(
    data, tmp_path, monkeypatch, capsys, changes, message
):
    config = write(data, tmp_path / 'wrong.py', **changes)
    code, printed = run(
        'train.py',
        *(config, '--work-dir', tmp_path / 'work'),
        monkeypatch=monkeypatch,
        capsys=capsys,
    )
    assert code != 0
    text = ' '.join(printed.split())
    assert re.search(message, text), text[-2000:]
    assert not list((tmp_path / 'work').glob('*.pth'))


@pytest.mark.parametrize(
    ('step', 'message'),
    [
        ('', r'model\.augmentation changes .* 3 channels that are not of 8 b'),
        ("dict(type='CLAHE'), ", 'CLAHE changes values from 0 to 255'),
        ("dict(type='AdjustGamma'), ", 'AdjustGamma changes values from 0'),
        ("dict(type='Cutout'), ", 'Cutout changes values from 0 to 255'),
    ],
)
def test_three_channels_of_16_bits_are_no_colours(
    data, tmp_path, step, message
):
    """A dark first image does not make bytes of them."""
    three = tmp_path / 'three'
    for part in ('images', 'labels'):
        (three / part).mkdir(parents=True)
    for seed, key in enumerate(KEYS):
        image, ids = field(seed)
        image = image[..., :3] // (1 if seed else 100)
        cv2.imwrite(str(three / f'images/{key}.tiff'), image)
        Image.fromarray(ids).save(three / f'labels/{key}.png')
    config = write(
        three,
        tmp_path / 'three.py',
        method='dacs',
        step=step,
        mean=MEAN[:3],
        std=STD[:3],
    )
    text = config.read_text().replace('in_channels=4', 'in_channels=3')
    config.write_text(text)
    with pytest.raises(ConfigError, match=message):
        train(config, tmp_path / 'work')


def train(config, folder):
    tool = load_tool('train.py')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            'sys.argv', ['t', str(config), '--work-dir', str(folder)]
        )
        tool['main'](tool['parse_args']())


def test_a_file_of_groups_that_lacks_an_image(data, tmp_path):
    config = write(data, tmp_path / 'grouped.py')
    groups = "prefix='fields', group_by={'field_[01]': 'dusk'})"
    text = config.read_text().replace("prefix='fields')", groups)
    config.write_text(text)
    with pytest.raises(DataError, match="nothing in the key 'field_2'"):
        train(config, tmp_path / 'work')
    assert not list((tmp_path / 'work').rglob('*.pth'))


def test_no_plain_segmentor_of_four_channels(trained):
    with pytest.raises(ConfigError, match='of 4 channels; .* three or one'):
        plain_config(load_config(str(trained[0])))


def test_a_plain_segmentor_reads_all_bits():
    network = dict(
        type='UDAEncoderDecoder',
        backbone=dict(type='ResNetV1c', depth=18),
        decode_head=dict(
            type='FCNHead', in_channels=512, channels=8, num_classes=3
        ),
        test_cfg=dict(mode='whole'),
    )
    preprocessor = dict(
        type='DomainDataPreprocessor', mean=MEAN[:3], std=STD[:3]
    )
    steps = [
        dict(type='LoadImage', color_type='unchanged'),
        dict(type='PackDomainInputs'),
    ]
    cfg = dict(
        model=dict(
            type='MinEnt', segmentor=network, data_preprocessor=preprocessor
        ),
        test_pipeline=steps,
        default_scope='mmuda',
    )
    assert plain_config(Config(cfg)).test_pipeline[0] == dict(
        type='LoadImageFromFile', color_type='unchanged', to_float32=True
    )


def test_three_channels_into_a_network_of_four(data, tmp_path):
    """Read as colours, the images lack what the first layer takes."""
    config = write(data, tmp_path / 'wrong.py', mean=MEAN[:3], std=STD[:3])
    text = config.read_text().replace("color_type='unchanged'", '')
    config.write_text(text)
    tool = load_tool('train.py')
    with pytest.MonkeyPatch.context() as patch:
        words = ['tool', str(config), '--work-dir', str(tmp_path / 'work')]
        patch.setattr('sys.argv', words)
        with pytest.raises(
            Exception, match=r"has 3 channels .* 4: read all .*'unchanged'"
        ):
            tool['main'](tool['parse_args']())
