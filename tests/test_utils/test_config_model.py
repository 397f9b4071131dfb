"""A model of a network, a method and what a config says itself."""

import pytest
from demo_data import ROOT
from mmengine.config import Config

from mmuda.registry import MODELS
from mmuda.utils.config import load_config
from mmuda.utils.config_model import fill_model, fill_terms
from mmuda.utils.errors import ConfigError

BASES = ROOT / 'configs/_base_'
NETWORKS = sorted(path.stem for path in BASES.glob('networks/*.py'))
# One method of each kind of weights by head.
METHODS = {
    'source_only': [],
    'minent': ['entropy_weights'],
    'minent_er': ['entropy_weights'],
    'advent': ['adversarial_weights'],
    'esl': ['adversarial_weights'],
    'ssl': ['adversarial_weights'],
    'esl_without_adversarial': [],
    'multi_dis': ['adversarial_weights'],
    'mtkt': ['adversarial_weights'],
    'ccl': [
        'adversarial_weights',
        'consistency_weights',
        'distillation_weights',
    ],
}


def leaf(folder, text, network='deeplabv2_r50', method='advent'):
    path = folder / 'leaf.py'
    path.write_text(f"""
_base_ = [
    '{BASES}/networks/{network}.py',
    '{BASES}/methods/{method}.py',
    '{BASES}/settings/advent.py',
    '{BASES}/schedules/advent_adversarial.py',
    '{BASES}/default_runtime.py',
]
setting = 'gta2cs'
{text}
""")
    return path


@pytest.mark.parametrize('network', NETWORKS)
@pytest.mark.parametrize('method', METHODS)
def test_every_method_goes_on_every_network(tmp_path, method, network):
    cfg = load_config(leaf(tmp_path, '', network, method), check=False)
    assert not {'network', 'method', 'target_images'} & set(cfg)
    segmentor = cfg.model.segmentor
    heads = ['decode', 'aux'] if segmentor.get('auxiliary_head') else None
    heads = heads or ['decode']
    for key in METHODS[method]:
        assert list(cfg.model[key]) == heads
    if 'discriminator' in cfg.model:
        assert cfg.model.discriminator.levels == heads
        assert cfg.model.discriminator.in_channels == 19
    assert segmentor.decode_head.num_classes == 19


@pytest.mark.parametrize('method', ['advent', 'minent', 'ssl', 'source_only'])
@pytest.mark.parametrize(
    'network', ['deeplabv2_r18_small', 'deeplabv3plus_detectron2_r18_small']
)
def test_what_is_composed_is_built(tmp_path, method, network):
    model = MODELS.build(
        load_config(leaf(tmp_path, '', network, method)).model
    )
    heads = list(model.segmentor.heads())
    one = network.startswith('deeplabv3plus')
    assert heads == (['decode'] if one else ['decode', 'aux'])
    if method in ('advent', 'ssl'):
        assert list(model.discriminator.levels) == heads


def test_what_a_config_says_itself_comes_on_top(tmp_path):
    text = """
model = dict(
    warmup_iters=7,
    adversarial_weights=dict(aux=5e-4),
    segmentor=dict(
        backbone=dict(_delete_=True, type='DeepLabVGG'),
        decode_head=dict(in_channels=1024, num_classes=3),
    ),
    discriminator=dict(levels=['decode'], in_channels=3),
)
"""
    model = load_config(leaf(tmp_path, text), check=False).model
    assert model.type == 'AdvEnt'
    assert model.warmup_iters == 7
    assert model.adversarial_weights == dict(decode=1e-3, aux=5e-4)
    assert model.segmentor.backbone == dict(type='DeepLabVGG')
    head = model.segmentor.decode_head
    assert (head.type, head.in_channels, head.num_classes) == (
        *('DLV2Head', 1024, 3),
    )
    assert model.segmentor.auxiliary_head.num_classes == 19
    assert model.discriminator == dict(
        type='MultiLevelDiscriminator', levels=['decode'], in_channels=3
    )


def test_a_weight_of_a_head_that_is_not_there_is_no_secret(tmp_path):
    text = 'model = dict(adversarial_weights=dict(aux=5e-4))'
    model = load_config(
        leaf(tmp_path, text, 'deeplabv2_vgg16'), check=False
    ).model
    assert model.adversarial_weights == dict(decode=1e-3, aux=5e-4)
    model.segmentor.backbone.init_cfg = None
    with pytest.raises(ConfigError, match='adversarial_weights.*aux'):
        MODELS.build(model)


def test_a_network_may_stand_under_model(tmp_path):
    """Where a config puts what it changes of it, too."""
    text = Config.fromfile(BASES / 'networks/segformer_mit-b0.py').network
    path = tmp_path / 'network.py'
    Config(dict(model=text)).dump(path)
    own = leaf(tmp_path, '')
    own.write_text(
        own.read_text().replace(
            f'{BASES}/networks/deeplabv2_r50.py', f'{path}'
        )
    )
    expected = load_config(leaf_of_mit(tmp_path)).model
    model = load_config(own).model
    assert model == expected
    assert model.adversarial_weights == dict(decode=1e-3)


def leaf_of_mit(folder):
    (folder / 'mit').mkdir()
    return leaf(folder / 'mit', '', 'segformer_mit-b0')


def test_options_change_the_whole_config():
    """Also in lists, which stand in the setting."""
    options = {
        'model.segmentor.backbone.depth': 50,
        'model.adversarial_weights.aux': 0.5,
        'train_dataloader.dataset.source.pipeline.2.scale': (640, 360),
        'test_dataloader.dataset.pipeline.1.scale': (512, 256),
    }
    cfg = load_config(ROOT / 'configs/advent/gta2cs.py', options)
    assert cfg.model.segmentor.backbone.depth == 50
    assert cfg.model.adversarial_weights == dict(decode=1e-3, aux=0.5)
    resize = cfg.train_dataloader.dataset.source.pipeline[2]
    assert (resize.type, resize.scale) == ('Resize', (640, 360))
    assert cfg.test_pipeline[1].scale == (512, 256)
    assert cfg.val_dataloader.dataset.pipeline[1].scale == (1024, 512)


def test_what_can_not_be_merged_is_named(tmp_path):
    path = leaf(tmp_path, 'model = dict(warmup_iters=dict(begin=3))')
    text = path.read_text() + '\nmethod = dict(warmup_iters=800)\n'
    path.write_text(text)
    with pytest.raises(ConfigError, match='warmup_iters.*_delete_') as caught:
        load_config(path)
    assert '\n' not in str(caught.value)


STOCK = """
network = dict(
    type='EncoderDecoder',
    backbone=dict(type='ResNetV1c', depth=50),
    decode_head=dict(type='FCNHead'),
)
"""


@pytest.mark.parametrize('base', ['mmseg', 'network', 'model'])
def test_a_network_of_mmseg_alone_is_refused(tmp_path, base):
    path = 'mmseg::_base_/models/deeplabv3_r50-d8.py'
    if base != 'mmseg':
        path = tmp_path / 'network.py'
        path.write_text(STOCK.replace('network', base))
    own = leaf(tmp_path, '')
    replaced = f'{BASES}/networks/deeplabv2_r50.py'
    assert replaced in own.read_text()
    own.write_text(own.read_text().replace(replaced, str(path)))
    with pytest.raises(ConfigError) as raised:
        load_config(own)
    assert 'network=dict(segmentor=dict(' in str(raised.value)
    assert '\n' not in str(raised.value)


def test_a_network_of_mmseg_without_a_method_is_a_model(tmp_path):
    path = leaf(tmp_path, f'method = None\n{STOCK}').with_name('own.py')
    path.write_text(
        f"_base_ = './leaf.py'\nmethod = None\n{STOCK}".replace(
            'network = dict(', 'network = dict(_delete_=True, '
        )
    )
    leaf(tmp_path, '')
    model = load_config(path, check=False).model
    assert model.type == 'EncoderDecoder'
    assert model.decode_head.num_classes == 19


@pytest.mark.parametrize('kind', ['Entropy', 'mmuda.Entropy'])
@pytest.mark.parametrize(
    ('given', 'found'), [({}, 0.7), (dict(top_fraction=0.1), 0.1)]
)
def test_a_setting_fills_what_terms_do_not_say(kind, given, found):
    term, other = dict(type=kind, **given), dict(type='FeatureDistance')
    fill_terms(dict(terms=[term, other]), dict(Entropy=dict(top_fraction=0.7)))
    assert term == dict(type=kind, top_fraction=found)
    assert other == dict(type='FeatureDistance')


def head(*losses, **more):
    return dict(type='FCNHead', loss_decode=list(losses), **more)


def test_a_setting_weights_the_losses_that_say_nothing():
    plain, none = (
        dict(type=f'{scope}CrossEntropyLoss') for scope in ('', 'mmseg.')
    )
    own = dict(type='CrossEntropyLoss', class_weight=None)
    dice = dict(type='DiceLoss')
    segmentor = dict(
        decode_head=head(plain, dice), auxiliary_head=[head(none, own)]
    )
    fill_model(dict(segmentor=segmentor), 2, [], [0.5, 3.0])
    assert plain['class_weight'] == none['class_weight'] == [0.5, 3.0]
    assert own['class_weight'] is None
    assert dice == dict(type='DiceLoss')


@pytest.mark.parametrize(
    ('part', 'told'),
    [
        (head(dict(type='CrossEntropyLoss')), '2 weights for 3 classes'),
        (head(dict(type='DiceLoss'), num_classes=2), 'FCNHead takes it'),
        # its default is the head's own, which a loss here would replace
        (dict(type='FCNHead', num_classes=2), 'write the head a loss_decode'),
    ],
)
def test_weights_that_no_loss_can_take_are_refused(part, told):
    with pytest.raises(ConfigError, match=told):
        fill_model(dict(decode_head=part), 3, [], [0.5, 3.0])


@pytest.mark.parametrize('value', [[1.0, -1.0], 'weights.npy', 3])
def test_weights_of_a_setting_are_checked(tmp_path, value):
    own = leaf(tmp_path, f'settings=dict(gta2cs=dict(class_weight={value!r}))')
    with pytest.raises(ConfigError, match='settings.gta2cs.class_weight'):
        load_config(own)


def test_weights_of_a_setting_reach_the_model(tmp_path):
    text = 'settings=dict(gta2cs=dict(class_weight=[*map(float, range(19))]))'
    segmentor = load_config(leaf(tmp_path, text)).model.segmentor
    for part in (segmentor.decode_head, segmentor.auxiliary_head):
        assert part.loss_decode.class_weight == list(range(19))
