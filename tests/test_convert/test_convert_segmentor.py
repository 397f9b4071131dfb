import pytest
import torch
from mmengine.config import Config
from mmseg.models import EncoderDecoder  # noqa: F401  # fills the registry
from mmseg.registry import MODELS

from mmuda.convert import plain_config, strip_segmentor_prefix
from mmuda.utils.errors import CheckpointError, ConfigError


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
