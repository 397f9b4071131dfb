from pathlib import Path

import pytest

from benchmarks.setting import (
    image_sizes,
    method_configs,
    optimizer_config,
    scale_sizes,
    scaled,
    set_depth,
    without_pretrained,
)
from mmuda.utils.config import load_config
from mmuda.utils.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / 'configs' / 'advent'


def load(name='gta2cs'):
    return load_config(CONFIGS / f'{name}.py')


def test_no_weight_file_is_left():
    cfg = load()
    without_pretrained(cfg)
    assert cfg.model.segmentor.backbone.init_cfg is None


def test_depth_is_changed():
    cfg = load()
    set_depth(cfg, 50)
    assert cfg.model.segmentor.backbone.depth == 50


@pytest.mark.parametrize(
    ('name', 'depth'),
    [('gta2cs', 18), ('advent_vgg16_gta2cs', 50), ('minent_carla2camvid', 50)],
)
def test_depth_that_does_not_fit_the_heads_is_refused(name, depth):
    with pytest.raises(ConfigError, match=f'--depth {depth}'):
        set_depth(load(name), depth)


def test_sizes_of_gta2cs():
    assert image_sizes(load()) == {
        'source': (1280, 720),
        'target': (1024, 512),
    }


def test_sizes_of_crops_have_the_width_first():
    assert image_sizes(load('advent_carla2camvid'))['source'] == (192, 128)


def test_sizes_of_images_that_a_rule_draws():
    cfg = load()
    parts = cfg.train_dataloader.dataset
    parts.source = dict(type='RareClassSampling', dataset=parts.source)
    assert image_sizes(cfg)['source'] == (1280, 720)


def test_training_sizes_are_scaled():
    cfg = load()
    scale_sizes(cfg, 0.5)
    assert image_sizes(cfg) == {'source': (640, 360), 'target': (512, 256)}


def test_validation_size_is_scaled():
    cfg = load()
    scale_sizes(cfg, 0.5)
    assert cfg.val_dataloader.dataset.pipeline[1].scale == (512, 256)


def test_scaled_sizes_are_large_enough_for_a_discriminator():
    assert scaled((1024, 512), 0.01) == (32, 32)


def test_factor_of_zero_is_refused():
    with pytest.raises(ConfigError, match='--size-factor'):
        scale_sizes(load(), 0)


def test_config_without_target_is_refused():
    with pytest.raises(ConfigError, match='target domain'):
        image_sizes(load('source_only_gta2cs'))


def test_minent_gets_the_weights_of_advent():
    configs = method_configs(load())
    assert configs['MinEnt']['entropy_weights'] == {
        'decode': 1e-3,
        'aux': 2e-4,
    }


def test_advent_of_a_minent_config_gets_discriminators():
    configs = method_configs(load('minent_synthia2cs'))
    assert configs['AdvEnt']['discriminator'] == dict(
        type='MultiLevelDiscriminator',
        levels=['decode', 'aux'],
        in_channels=16,
    )


def test_source_only_config_with_one_head_gets_one_level():
    cfg = load('source_only_gta2cs')
    cfg.model.segmentor.auxiliary_head = None
    assert list(method_configs(cfg)['MinEnt']['entropy_weights']) == ['decode']


def test_advent_of_a_minent_config_gets_adam():
    config = optimizer_config(load('minent_gta2cs'), 'AdvEnt')
    assert config['discriminator']['optimizer']['type'] == 'Adam'


def test_minent_has_no_second_optimizer():
    assert 'discriminator' not in optimizer_config(load(), 'MinEnt')
