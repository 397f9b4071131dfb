"""Settings of one target, for methods that take no more by themselves."""

import copy

import pytest
from demo_data import ROOT
from mmengine.config import Config

from mmuda.utils.config import load_config
from mmuda.utils.config_completion import complete, read_file
from mmuda.utils.errors import ConfigError

ADVENT = ROOT / 'configs/advent/gta2cs.py'


def test_one_target_stands_alone():
    cfg = load_config(ADVENT)
    data = cfg.train_dataloader.dataset
    assert 'targets' not in data
    assert data.target.type == 'CityscapesLabelIdsDataset'
    assert data.target.data_prefix == dict(img_path='leftImg8bit/train')
    assert cfg.val_evaluator.prefix == 'cityscapes'
    assert cfg.val_dataloader.dataset.test_mode
    assert cfg.val_cfg.type == 'ValLoop'


def test_a_method_of_one_target_takes_several():
    cfg = load_config(ADVENT, {'setting': 'g2cmi'})
    targets = ['cityscapes', 'mapillary', 'idd']
    assert list(cfg.train_dataloader.dataset.targets) == targets
    assert [metric.prefix for metric in cfg.test_evaluator] == targets
    assert len(cfg.val_dataloader) == 3
    assert cfg.val_cfg.type == 'MultiTargetValLoop'
    assert cfg.test_cfg.type == 'MultiTargetTestLoop'


@pytest.mark.parametrize(
    ('setting', 'classes'),
    [
        *(('gta2cs', 19), ('synthia2cs', 16), ('gta2mapillary', 7)),
        *(('gta2mapillary_default', 19), ('i2c', 19), ('m2c_7', 7)),
    ],
)
@pytest.mark.parametrize('method', ['gta2cs', 'minent_gta2cs'])
def test_a_setting_has_its_classes(method, setting, classes):
    path = ROOT / f'configs/advent/{method}.py'
    cfg = load_config(path, {'setting': setting})
    segmentor = cfg.model.segmentor
    assert segmentor.decode_head.num_classes == classes
    assert segmentor.auxiliary_head.num_classes == classes
    judge = cfg.model.get('discriminator', dict(in_channels=classes))
    assert judge['in_channels'] == classes


def test_source_only_sees_no_target():
    path = ROOT / 'configs/advent/source_only_gta2cs.py'
    assert load_config(path).train_dataloader.dataset.target is None
    data = load_config(path, {'setting': 'g2cmi'}).train_dataloader.dataset
    assert data.targets is None


@pytest.mark.parametrize('setting', ['gta2cs', 'gta2mapillary', 'synthia2cs'])
def test_labels_are_made_as_the_network_sees_images(setting):
    """Those of Mapillary Vistas are loaded before the padding."""
    esl = ROOT / 'configs/esl/esl_gta2cs.py'
    cfg = load_config(esl, {'setting': setting})
    plain = load_config(ADVENT, {'setting': setting})
    images = plain.train_dataloader.dataset.target.pipeline
    assert cfg.pseudo_labels.pipeline == images
    steps = [s.type for s in cfg.train_dataloader.dataset.target.pipeline]
    first = 2  # after loading and fitting
    assert steps.pop(first) == 'LoadPseudoLabels'
    assert steps == [step.type for step in images]
    assert 'pseudo_labels' not in plain


def test_several_sources_are_a_list():
    name = 'gta_synscapes2cs'
    leaf = ROOT / f'configs/cotraining/cotraining_{name}.py'
    source = load_config(leaf).train_dataloader.dataset.source
    assert [part.type for part in source] == [
        *('GTA5Dataset', 'SynscapesDataset'),
    ]


def test_a_domain_without_a_test_split_is_tested_where_validated(tmp_path):
    cfg = load_config(ROOT / 'configs/advent/advent_carla2camvid.py')
    assert cfg.val_dataloader.dataset.include == ['val/*']
    assert cfg.test_dataloader.dataset.include == ['test/*']
    assert cfg.train_dataloader.dataset.target.include == ['train/*']
    cfg = load_config(ADVENT)
    assert cfg.test_dataloader == cfg.val_dataloader


@pytest.mark.parametrize(
    'leaf',
    [
        *('advent/gta2cs', 'advent/minent_gta2cs', 'advent/minent_er_gta2cs'),
        *('advent/source_only_gta2cs', 'advent/advent_vgg16_gta2cs'),
        *('advent/advent_segformer_mit-b0_gta2cs', 'esl/esl_gta2cs'),
        *('esl/ssl_gta2cs', 'esl/esl_without_adversarial_gta2cs'),
        *('cotraining/cotraining_baseline_gta2cs',),
        *(
            'cotraining/cotraining_gta2cs',
            'cotraining/cotraining_final_gta2cs',
        ),
    ],
)
def test_every_method_of_one_target_takes_every_setting(leaf):
    plain = read_file(ROOT / f'configs/{leaf}.py').to_dict()
    for pair, setting in plain['settings'].items():
        cfg = Config(copy.deepcopy(plain))
        cfg.setting = pair
        needed = setting.get('protocol', 'default')
        if needed not in plain['protocol']:
            with pytest.raises(ConfigError, match=f'has no {needed!r}; it'):
                complete(cfg)
            continue
        complete(cfg)
        variant = plain['protocol'][setting.get('protocol', 'default')]
        classes = variant['num_classes']
        data = cfg.train_dataloader.dataset
        alone = len(setting['targets']) == 1
        assert ('target' in data) == alone
        assert ('targets' in data) == (not alone)
        metrics = cfg.val_evaluator
        metrics = [metrics] if alone else metrics
        assert [metric.prefix for metric in metrics] == setting['targets']
        assert cfg.val_cfg.type == ('' if alone else 'MultiTarget') + 'ValLoop'
        heads = cfg.model.segmentor
        assert heads.decode_head.num_classes == classes
        judge = cfg.model.get('discriminator', dict(in_channels=classes))
        assert judge['in_channels'] == classes


@pytest.mark.parametrize('key', ['type', 'data_root'])
@pytest.mark.parametrize('part', ['source', 'target'])
def test_own_data_are_not_mixed_with_those_of_another_setting(
    tmp_path, part, key
):
    path = tmp_path / 'own.py'
    own = f'dataset=dict({part}=dict({key}="FolderDataset"))'
    path.write_text(f"_base_ = '{ADVENT}'\ntrain_dataloader = dict({own})\n")
    for options in ({}, {'setting': 'gta2cs'}):
        data = load_config(path, options, check=False).train_dataloader.dataset
        assert data[part][key] == 'FolderDataset'
    match = rf'train_dataloader\.dataset\.{part}\.{key}; write them as'
    with pytest.raises(ConfigError, match=match) as caught:
        load_config(path, {'setting': 'gta2mapillary'}, check=False)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('key', ['val_dataloader', 'test_evaluator'])
def test_what_is_of_one_target_is_refused_for_several(tmp_path, key):
    path = tmp_path / 'own.py'
    own = f"{key} = dict(num_workers=0)\nsetting = 'g2ci'\n"
    path.write_text(f"_base_ = '{ADVENT}'\n{own}")
    with pytest.raises(ConfigError) as raised:
        load_config(path)
    assert str(raised.value).endswith(
        f"setting='g2ci': {key} of the config is that of one target, and the "
        'setting needs a list of one for each; leave it out, or choose a '
        'setting with one target'
    )


CP = ['advent_cp_vgg16_synthia2cs', 'minent_cp_vgg16_synthia2cs']


@pytest.mark.parametrize('leaf', CP)
@pytest.mark.parametrize('setting', ['synthia2cs', 'gta2cs', 'i2c_7'])
def test_class_ratios_are_those_of_the_setting(tmp_path, leaf, setting):
    base = ROOT / f'configs/advent/{leaf}.py'
    own = tmp_path / 'own.py'
    own.write_text(f"_base_ = '{base}'\nsetting = {setting!r}\n")
    for cfg in (
        load_config(base, {'setting': setting}),
        load_config(own),
        Config.fromfile(own),
    ):
        ratio = cfg.model.terms[0].ratio
        assert ratio == f'data/class_ratios/{setting}.json'
    option = {'setting': setting, 'model.terms.0.ratio': 'mine.json'}
    assert load_config(own, option).model.terms[0].ratio == 'mine.json'


@pytest.mark.parametrize('ratio', ["'mine.json'", '[1.0] * 19'])
@pytest.mark.parametrize('older', [False, True])
def test_class_ratios_of_another_setting_are_refused(tmp_path, ratio, older):
    path = tmp_path / 'own.py'
    prior = f'class_ratio_prior=dict(ratio={ratio}, weight=1.0)'
    if not older:
        prior = f"terms=[dict(type='ClassRatioPrior', ratio={ratio})]"
    path.write_text(f"_base_ = '{ADVENT}'\nmodel = dict({prior})\n")
    for options in ({}, {'setting': 'gta2cs'}):
        load_config(path, options)
    # Of the same source and classes they are the same.
    load_config(path, {'setting': 'g2m'})
    with pytest.raises(ConfigError, match=r'ratio=.*--setting i2c --ratios'):
        load_config(path, {'setting': 'i2c'})
    key = 'model.class_ratio_prior' if older else 'model.terms.0'
    load_config(path, {'setting': 'i2c', f'{key}.ratio': [2.0] * 19})


def test_class_ratios_that_a_base_shows_follow_the_setting(tmp_path):
    own = tmp_path / 'own.py'
    own.write_text(f"""
_base_ = '{ROOT}/configs/advent/{CP[0]}.py'
terms = _base_.model.terms
terms[0]['weight'] = 0.5
model = dict(terms=terms)
setting = 'gta2cs'
""")
    (term,) = load_config(own).model.terms
    assert (term.weight, term.ratio) == (0.5, 'data/class_ratios/gta2cs.json')
    name = {'model.terms.0.ratio': 'my/{setting}.json', 'setting': 'i2c'}
    assert load_config(own, name).model.terms[0].ratio == 'my/i2c.json'


def test_loaders_of_one_target_may_replace_those_of_several(tmp_path):
    path = tmp_path / 'own.py'
    path.write_text(f"""
_base_ = '{ADVENT}'
setting = 'g2ci'
val_dataloader = dict(
    _delete_=True,
    batch_size=2,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='CityscapesLabelIdsDataset', pipeline=[]),
)
val_evaluator = dict(_delete_=True, type='DomainIoUMetric', prefix='own')
""")
    cfg = load_config(path)
    assert cfg.val_dataloader.batch_size == 2
    assert cfg.val_evaluator == dict(type='DomainIoUMetric', prefix='own')
    assert [part.prefix for part in cfg.test_evaluator] == [
        'cityscapes',
        'idd',
    ]
