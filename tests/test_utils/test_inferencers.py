"""mmseg's ways to predict, with configs of mmuda and with extracted ones."""

import mmcv
import numpy as np
import predicting_network
import pytest
from mmengine.registry import DefaultScope
from mmseg.apis import MMSegInferencer, inference_model, init_model
from tools_in_process import load_tool, run_loaded

from mmuda.apis import Segmenter
from mmuda.registry import MODELS
from mmuda.utils.config import config_text, load_config


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    return predicting_network.write(tmp_path_factory.mktemp('small'))


@pytest.fixture(scope='module')
def path(small):
    return predicting_network.images_below(small['images'])[0]


@pytest.fixture(scope='module')
def expected(small, path):
    own = Segmenter(small['config'], small['checkpoint'], 'cpu')
    return own.predict(path).label_map


@pytest.fixture
def extracted(small, tmp_path, monkeypatch, capsys):
    """Config and checkpoint of the segmentor alone."""
    files = tmp_path / 'plain.py', tmp_path / 'plain.pth'
    words = [small['checkpoint'], files[1], '--config', small['config']]
    tool = load_tool('model_converters/extract_segmentor.py')
    words += ['--out-config', files[0]]
    code, printed = run_loaded(tool, words, monkeypatch, capsys)
    assert code == 0, printed
    return files


def labels_by_mmseg(config, checkpoint, path):
    """By its functions and by its inferencer, of a path and of an array."""
    image = mmcv.imread(path)
    with DefaultScope.overwrite_default_scope('mmseg'):
        for given in (path, image):
            model = init_model(str(config), str(checkpoint), device='cpu')
            sample = inference_model(model, given)
            yield sample.pred_sem_seg.data[0].numpy()
            inferencer = MMSegInferencer(
                str(config), str(checkpoint), device='cpu', show_progress=False
            )
            yield inferencer(given)['predictions']


def test_with_a_config_of_ours(small, path, expected):
    files = small['config'], small['checkpoint']
    for labels in labels_by_mmseg(*files, path):
        assert np.array_equal(labels, expected)


def test_with_an_extracted_config(extracted, path, expected):
    for labels in labels_by_mmseg(*extracted, path):
        assert np.array_equal(labels, expected)


def test_an_extracted_segmentor_predicts_by_a_segmenter(
    extracted, path, expected
):
    own = Segmenter(*extracted, 'cpu')
    assert np.array_equal(own.predict(path).label_map, expected)


def test_an_inferencer_draws(small, path):
    inferencer = MMSegInferencer(
        str(small['config']),
        str(small['checkpoint']),
        device='cpu',
        show_progress=False,
    )
    drawn = inferencer(path, return_vis=True)['visualization']
    assert drawn.shape == (48, 96, 3)


def test_an_inferencer_of_several_targets_takes_the_first(
    small, path, expected, tmp_path
):
    cfg = load_config(small['config'])
    cfg.test_dataloader = [cfg.test_dataloader] * 2
    config = tmp_path / 'several.py'
    config.write_text(config_text(cfg))
    inferencer = MMSegInferencer(
        str(config), str(small['checkpoint']), device='cpu'
    )
    assert np.array_equal(inferencer(path)['predictions'], expected)


def test_a_checkpoint_alone_is_no_code(small, path, expected):
    inferencer = MMSegInferencer(
        None, str(small['checkpoint']), device='cpu', show_progress=False
    )
    assert np.array_equal(inferencer(path)['predictions'], expected)


def test_configs_of_others_are_left_alone(path, tmp_path):
    """With mmseg's own loader, and in mmseg's scope."""
    config = tmp_path / 'theirs.py'
    config.write_text(
        "default_scope = 'mmseg'\n"
        'model = dict(\n'
        "    type='EncoderDecoder',\n"
        "    data_preprocessor=dict(type='SegDataPreProcessor'),\n"
        "    backbone=dict(type='ResNetV1c', depth=18, base_channels=8),\n"
        '    decode_head=dict(\n'
        "        type='FCNHead', in_channels=64, channels=8, num_classes=19,\n"
        '        num_convs=1, concat_input=False),\n'
        "    test_cfg=dict(mode='whole'))\n"
        'test_dataloader = dict(dataset=dict(pipeline=[\n'
        "    dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]))\n"
        "visualizer = dict(type='SegLocalVisualizer')\n"
    )
    inferencer = MMSegInferencer(str(config), device='cpu')
    kind = type(inferencer.pipeline.transforms[0])
    assert kind.__module__.startswith('mmseg.')
    assert type(inferencer.model) is not MODELS.get('UDAEncoderDecoder')
    assert inferencer(path)['predictions'].shape == (48, 96)
