import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hrda_models import hrda_config
from mmengine.config import Config, ConfigDict
from mmseg.apis import inference_model, init_model
from mmseg.models import EncoderDecoder  # noqa: F401  # fills the registry
from mmseg.registry import MODELS
from tiny_models import model_config

from mmuda.convert import (
    needed_types,
    own_parts,
    plain_config,
    strip_segmentor_prefix,
    weights_of_plain,
)
from mmuda.registry import MODELS as OWN_MODELS
from mmuda.utils.config import load_config
from mmuda.utils.errors import CheckpointError, ConfigError

CONFIGS = Path(__file__).parents[2] / 'configs'


@pytest.fixture
def method_config():
    return Config(
        dict(
            default_scope='mmuda',
            model=dict(
                type='AdvEnt',
                segmentor=dict(
                    type='UDAEncoderDecoder',
                    backbone=dict(type='DeepLabResNet', depth=18),
                    decode_head=dict(
                        type='DLV2Head',
                        in_channels=512,
                        num_classes=3,
                        loss_decode=dict(type='CrossEntropyLoss'),
                    ),
                    test_cfg=dict(mode='whole'),
                ),
                data_preprocessor=dict(
                    type='DomainDataPreprocessor',
                    mean=[104.0, 116.7, 122.7],
                    std=[1.0, 1.0, 1.0],
                ),
                discriminator=dict(type='FCDiscriminator', in_channels=3),
            ),
            train_dataloader=dict(batch_size=1),
            test_dataloader=dict(
                dataset=dict(
                    type='CityscapesDataset',
                    pipeline=[dict(type='LoadImageFromFile')],
                )
            ),
            test_evaluator=dict(type='IoUMetric'),
            test_cfg=dict(type='TestLoop'),
        )
    )


def test_model_becomes_stock_segmentor(method_config):
    model = plain_config(method_config).model
    assert (model.type, model.data_preprocessor.type) == (
        'EncoderDecoder',
        'SegDataPreProcessor',
    )


def test_method_and_training_are_left_out(method_config):
    plain = plain_config(method_config)
    assert 'discriminator' not in plain.model
    assert 'train_dataloader' not in plain


def test_own_types_get_scope(method_config):
    model = plain_config(method_config).model
    assert model.backbone.type == 'mmuda.DeepLabResNet'
    assert model.decode_head.type == 'mmuda.DLV2Head'


def test_stock_types_stay(method_config):
    plain = plain_config(method_config)
    assert plain.model.decode_head.loss_decode.type == 'CrossEntropyLoss'
    assert plain.test_cfg.type == 'TestLoop'


def test_preprocessor_pads_nothing_unless_told(method_config):
    assert (
        plain_config(method_config).model.data_preprocessor.size_divisor == 1
    )


def test_padding_size_is_kept(method_config):
    method_config.model.data_preprocessor.size = (64, 64)
    preprocessor = plain_config(method_config).model.data_preprocessor
    assert 'size_divisor' not in preprocessor


def test_parts_that_only_mmuda_has(method_config):
    assert own_parts(plain_config(method_config)) == {
        'model.backbone': 'DeepLabResNet',
        'model.decode_head': 'DLV2Head',
    }


def test_own_types_are_imported(method_config):
    imports = plain_config(method_config).custom_imports.imports
    assert imports == ['mmuda.models', 'mmuda.datasets', 'mmuda.evaluation']


def test_upsampling_once_needs_own_segmentor(method_config):
    method_config.model.segmentor.test_cfg.upsample_once = True
    model = plain_config(method_config).model
    assert model.type == 'mmuda.UDAEncoderDecoder'


def test_config_of_stock_types_does_not_need_mmuda(method_config):
    segmentor = method_config.model.segmentor
    segmentor.backbone.type = 'ResNet'
    segmentor.decode_head.type = 'FCNHead'
    method_config.test_dataloader.dataset.type = 'BaseSegDataset'
    assert 'custom_imports' not in plain_config(method_config)


def test_heads_of_targets_are_left_out(method_config):
    method_config.model.segmentor.update(
        type='MultiHeadEncoderDecoder',
        targets=['rome', 'oslo'],
        style_layers=['layer1'],
        recompute_features=True,
    )
    model = plain_config(method_config).model
    assert model.type == 'EncoderDecoder'
    assert 'targets' not in model
    with torch.device('meta'):
        MODELS.build(model)


def test_weights_of_the_shared_head(method_config):
    segmentor = method_config.model.segmentor
    segmentor.update(type='MultiHeadEncoderDecoder', targets=['rome', 'oslo'])
    state = dict(OWN_MODELS.build(segmentor.to_dict()).state_dict())
    cfg = plain_config(method_config)
    plain = MODELS.build(cfg.model)
    plain.load_state_dict(weights_of_plain(state, cfg), strict=True)
    segmentor.predict_head = 'oslo.decode'
    assert weights_of_plain(state, plain_config(method_config)) == state


def test_the_head_of_a_target_needs_own_segmentor(method_config):
    method_config.model.segmentor.update(
        type='MultiHeadEncoderDecoder',
        targets=['rome', 'oslo'],
        predict_head='oslo.decode',
    )
    model = plain_config(method_config).model
    assert model.type == 'mmuda.MultiHeadEncoderDecoder'


def test_two_scales_need_own_segmentor(method_config):
    method_config.model = ConfigDict(
        model_config('MinEnt', segmentor=hrda_config(recompute=True))
        | dict(entropy_weights=dict(decode=0.1))
    )
    cfg = plain_config(method_config)
    assert cfg.model.type == 'mmuda.HRDAEncoderDecoder'
    assert 'HRDAEncoderDecoder' in needed_types(cfg)
    method = OWN_MODELS.build(method_config.model).eval()
    plain = MODELS.build(cfg.model).eval()
    state = strip_segmentor_prefix(method.state_dict())
    plain.load_state_dict(weights_of_plain(state, cfg), strict=True)
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        assert torch.equal(plain(images), method(images))


@pytest.mark.parametrize(
    ('leaf', 'needed'),
    [
        ('advent/advent_segformer_mit-b0_gta2cs', ['MiT']),
        ('advent/advent_deeplabv3plus_r101_gta2cs', []),
        ('advent/gta2cs', ['DLV2Head', 'DeepLabResNet']),
    ],
)
def test_types_that_are_needed(leaf, needed):
    cfg = Config.fromfile(CONFIGS / f'{leaf}.py')
    found = needed_types(plain_config(cfg))
    assert set(needed) <= set(found)
    assert bool(needed) == bool(found)


BLOCKED = """
import sys
sys.modules['mmuda'] = None
import torch
from mmengine.config import Config
from mmseg.apis import MMSegInferencer, inference_model, init_model
import numpy as np
cfg = Config.fromfile(sys.argv[1])
model = init_model(cfg, sys.argv[2], device='cpu')
image = np.zeros((64, 96, 3), np.uint8)
sample = inference_model(model, image)
torch.save(sample.seg_logits.data, sys.argv[3])
inferencer = MMSegInferencer(sys.argv[1], sys.argv[2], device='cpu')
assert cfg.test_dataloader.dataset.type == 'BaseSegDataset'
assert len(cfg.test_dataloader.dataset.metainfo.classes) == 19
shown = inferencer(image)['predictions']
assert np.array_equal(shown, sample.pred_sem_seg.data[0].numpy())
"""


@pytest.mark.parametrize('base', [f'{CONFIGS}/', 'mmuda::'])
def test_stock_mmseg_predicts_without_mmuda(tmp_path, base):
    leaf = tmp_path / 'leaf.py'
    name = f'{base}advent/advent_segformer_mit-b0_gta2cs.py'
    leaf.write_text(f'_base_ = {name!r}\n')
    cfg = load_config(leaf)
    # The encoder's norms have another epsilon in mmseg's class.
    cfg.model.segmentor.backbone.update(
        type='MixVisionTransformer',
        init_cfg=None,
        embed_dims=8,
        num_layers=[1, 1, 1, 1],
    )
    head = cfg.model.segmentor.decode_head
    head.update(in_channels=[8, 16, 40, 64], channels=16)
    head.norm_cfg = dict(type='BN')
    model = OWN_MODELS.build(cfg.model).eval()
    state = strip_segmentor_prefix(model.state_dict())
    meta = dict(dataset_meta=dict(classes=('a',) * 19, palette=[[0] * 3] * 19))
    torch.save(dict(state_dict=state, meta=meta), tmp_path / 'plain.pth')
    plain_config(cfg).dump(tmp_path / 'plain.py')
    words = ('plain.py', 'plain.pth', 'logits.pth')
    result = subprocess.run(
        [sys.executable, '-c', BLOCKED, *(tmp_path / word for word in words)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        # as here: other numbers of threads round differently
        env=os.environ | dict(OMP_NUM_THREADS='1'),
    )
    assert result.returncode == 0, result.stderr
    own = init_model(plain_config(cfg), str(tmp_path / 'plain.pth'), 'cpu')
    expected = inference_model(own, np.zeros((64, 96, 3), np.uint8))
    assert torch.equal(
        torch.load(tmp_path / 'logits.pth'), expected.seg_logits.data
    )


def test_method_config_is_not_changed(method_config):
    plain_config(method_config)
    assert method_config.model.segmentor.type == 'UDAEncoderDecoder'


def test_plain_model_is_built_by_mmseg(method_config):
    plain = plain_config(method_config)
    with torch.device('meta'):
        model = MODELS.build(plain.model)
    assert type(model).__module__.startswith('mmseg.')


def test_config_of_stock_model_is_refused():
    cfg = Config(dict(model=dict(type='EncoderDecoder')))
    with pytest.raises(ConfigError, match=r'model\.segmentor'):
        plain_config(cfg)


def test_prefix_is_stripped():
    state_dict = {
        'segmentor.backbone.a': torch.ones(1),
        'discriminator.b': torch.zeros(1),
    }
    assert strip_segmentor_prefix(state_dict) == {'backbone.a': torch.ones(1)}


def test_checkpoint_without_segmentor_is_refused():
    with pytest.raises(CheckpointError, match=r'x\.pth'):
        strip_segmentor_prefix({'backbone.a': torch.ones(1)}, 'x.pth')


def test_teacher_is_taken_on_demand():
    state_dict = {
        'segmentor.backbone.a': torch.ones(1),
        'teacher.backbone.a': torch.zeros(1),
    }
    stripped = strip_segmentor_prefix(state_dict, network='teacher')
    assert stripped == {'backbone.a': torch.zeros(1)}


def test_checkpoint_without_teacher_is_refused():
    with pytest.raises(CheckpointError, match=r'x\.pth holds no .* teacher'):
        strip_segmentor_prefix(
            {'segmentor.a': torch.ones(1)}, 'x.pth', 'teacher'
        )
