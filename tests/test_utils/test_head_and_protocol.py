"""The options --head and --protocol of test.py."""

from pathlib import Path

import pytest
from mmengine.config import Config

from mmuda.utils.config_keys import check_config_keys
from mmuda.utils.errors import ConfigError
from mmuda.utils.evaluation_config import (
    use_checkpoints,
    use_head,
    use_protocol,
)
from mmuda.utils.tta import use_test_time_augmentation

CONFIGS = Path(__file__).parents[2] / 'configs'
LEAVES = [
    str(path.relative_to(CONFIGS))
    for pattern in ('mtda/*.py', 'advent/*.py', 'demo/*.py')
    for path in sorted(CONFIGS.glob(pattern))
]
NATIVE = ['LoadImage', 'Resize', 'LoadLabels', 'PackDomainInputs']
PUBLISHED = [
    'LoadImage',
    'LoadLabels',
    'Resize',
    'EvaluateAtInputSize',
    'PackDomainInputs',
]


def with_heads(targets=('rome', 'oslo'), ensemble=True, loop='MultiTarget'):
    segmentor = dict(
        type='MultiHeadEncoderDecoder', targets=targets, ensemble=ensemble
    )
    return Config(
        dict(
            model=dict(type='MLCL', segmentor=segmentor),
            test_cfg=dict(type=f'{loop}TestLoop'),
        )
    )


def with_pipeline(*kinds):
    steps = [dict(type=kind) for kind in kinds]
    return Config(dict(test_dataloader=dict(dataset=dict(pipeline=steps))))


def pipelines(cfg):
    loaders = cfg.test_dataloader
    loaders = loaders if isinstance(loaders, list) else [loaders]
    return [[t.type for t in loader.dataset.pipeline] for loader in loaders]


@pytest.mark.parametrize(
    ('name', 'head'),
    [
        ('agnostic', 'decode'),
        ('decode', 'decode'),
        ('ensemble', 'ensemble'),
        ('oslo', 'oslo.decode'),
        ('oslo.decode', 'oslo.decode'),
    ],
)
def test_names_of_heads(name, head):
    cfg = with_heads()
    use_head(cfg, name)
    assert cfg.model.segmentor.predict_head == head


def test_own_heads_are_switched_by_the_loop():
    cfg = with_heads()
    use_head(cfg, 'own')
    assert cfg.test_cfg.own_heads is True
    assert 'predict_head' not in cfg.model.segmentor


def test_members_of_an_ensemble_of_models_get_the_head():
    cfg = with_heads()
    use_head(cfg, 'oslo')
    use_checkpoints(cfg, ['a.pth', 'b.pth'])
    heads = [model.segmentor.predict_head for model in cfg.model.models]
    assert heads == ['oslo.decode', 'oslo.decode']


@pytest.mark.parametrize('name', ['lima', 'oslo.aux', 'aux'])
def test_unknown_head(name):
    with pytest.raises(ConfigError, match=f'--head {name}: the model has no'):
        use_head(with_heads(), name)


def test_ensemble_head_that_is_not_there():
    with pytest.raises(ConfigError, match='own, agnostic, decode, rome'):
        use_head(with_heads(['rome'], ensemble=False), 'ensemble')


def test_own_heads_need_the_loop_over_targets():
    with pytest.raises(ConfigError, match='needs test_cfg.type='):
        use_head(with_heads(loop=''), 'own')


ONE_HEAD = dict(type='EncoderDecoder', decode_head=dict(type='DLV2Head'))


@pytest.mark.parametrize(
    'model', [dict(type='AdvEnt', segmentor=ONE_HEAD), ONE_HEAD]
)
def test_the_only_head_is_agnostic(model):
    cfg = Config(dict(model=model))
    use_head(cfg, 'agnostic')
    assert cfg.model == model


@pytest.mark.parametrize('name', ['own', 'decode', 'ensemble', 'oslo'])
def test_other_heads_of_a_model_with_one(name):
    cfg = Config(dict(model=dict(type='CCL', segmentor=ONE_HEAD)))
    with pytest.raises(ConfigError, match='one main head, which is --head ag'):
        use_head(cfg, name)


def test_model_without_a_head():
    cfg = Config(dict(model=dict(type='SegmentorEnsemble', models=[])))
    with pytest.raises(ConfigError, match="'SegmentorEnsemble' has no decode"):
        use_head(cfg, 'agnostic')


@pytest.mark.parametrize('leaf', LEAVES)
def test_every_config_has_an_agnostic_head(leaf):
    cfg = Config.fromfile(CONFIGS / leaf)
    use_head(cfg, 'agnostic')
    check_config_keys(cfg)
    assert cfg.model.segmentor.get('predict_head', 'decode') == 'decode'


def test_published_protocol_loads_labels_first():
    cfg = with_pipeline(*NATIVE)
    use_protocol(cfg, 'published')
    assert pipelines(cfg) == [PUBLISHED]


def test_native_protocol_loads_labels_last():
    cfg = with_pipeline(*PUBLISHED)
    use_protocol(cfg, 'native')
    assert pipelines(cfg) == [NATIVE]


def test_options_of_the_labels_are_kept():
    cfg = with_pipeline(*NATIVE)
    cfg.test_dataloader.dataset.pipeline[2].resize_mismatch = True
    use_protocol(cfg, 'published')
    assert cfg.test_dataloader.dataset.pipeline[1].resize_mismatch is True


def test_a_protocol_twice_is_as_once():
    cfg = with_pipeline('mmseg.LoadImageFromFile', *NATIVE[1:])
    use_protocol(cfg, 'published')
    use_protocol(cfg, 'published')
    assert pipelines(cfg) == [['mmseg.LoadImageFromFile', *PUBLISHED[1:]]]


@pytest.mark.parametrize(
    'kinds',
    [
        [],
        ['LoadImage', 'Resize', 'PackSegInputs'],
        ['LoadImage', 'LoadLabels', 'TestTimeAug'],
        ['Resize', 'LoadLabels', 'PackSegInputs'],
    ],
)
def test_pipelines_that_have_no_protocol(kinds):
    with pytest.raises(ConfigError, match='--protocol published: the pipe'):
        use_protocol(with_pipeline(*kinds), 'published')


def test_augmentation_has_no_protocol():
    cfg = with_pipeline(*NATIVE)
    cfg.model = dict(type='AdvEnt')
    cfg.tta_model = dict(type='SegTTAModel')
    cfg.tta_pipeline = [dict(type='LoadImage'), dict(type='TestTimeAug')]
    use_test_time_augmentation(cfg)
    with pytest.raises(ConfigError, match='no test-time augmentation'):
        use_protocol(cfg, 'published')


@pytest.mark.parametrize('leaf', LEAVES)
def test_both_protocols_of_the_configs(leaf):
    cfg = Config.fromfile(CONFIGS / leaf)
    native = pipelines(cfg)
    use_protocol(cfg, 'native')
    assert pipelines(cfg) == native
    use_protocol(cfg, 'published')
    check_config_keys(cfg)
    for kinds in pipelines(cfg):
        assert kinds[:2] == ['LoadImage', 'LoadLabels']
        assert kinds[-2] == 'EvaluateAtInputSize'


@pytest.mark.parametrize('name', ['g2ci', 'g2cm', 'g2cmi'])
def test_own_heads_of_the_configs(name):
    cfg = Config.fromfile(CONFIGS / f'mtda/mtkt_deeplabv2-r101_{name}.py')
    use_head(cfg, 'own')
    check_config_keys(cfg)
    assert cfg.test_cfg.own_heads is True
