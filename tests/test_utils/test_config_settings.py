"""Settings by name: what is trained on what, for every method."""

import copy

import pytest
from demo_data import ROOT
from faulty_values import CASES_OF_PARTS, write_config
from mmengine.config import Config
from mtda_leaves import NETWORKS, TABLES, leaf_of
from mtda_leaves import ROOT as MTDA

from mmuda.utils.config import default_work_dir, load_config
from mmuda.utils.config_completion import complete, read_file
from mmuda.utils.errors import ConfigError

LEAF = MTDA / 'mtkt_deeplabv2-r101_g2cmi.py'


@pytest.mark.parametrize('variant', ['', '_19'])
@pytest.mark.parametrize('network', NETWORKS)
def test_every_method_takes_every_setting(network, variant):
    """With the data, the classes and the targets of its name."""
    plain = read_file(leaf_of(network))
    for pair in TABLES['settings']:
        cfg = copy.deepcopy(plain)
        cfg.setting = pair + variant
        needed = TABLES['settings'][pair].get('protocol', 'default')
        if not variant and needed not in plain.protocol:
            with pytest.raises(ConfigError, match=f'has no {needed!r}; it'):
                complete(cfg)
        else:
            check_data(complete(cfg), pair, 19 if variant else 7)


def check_data(cfg, pair, classes):
    setting = TABLES['settings'][pair]
    targets = setting['targets']
    data = cfg.train_dataloader.dataset
    shown = data.targets or {}
    domains = TABLES['domains']
    sources = data.source if isinstance(data.source, list) else [data.source]
    names = setting['source']
    names = names if isinstance(names, list) else [names]
    for name, part in zip(names, sources, strict=True):
        assert part.type == domains[name]['dataset']['type']
        assert 'seg_map_path' in part.data_prefix
    for name, part in shown.items():
        assert part.type == domains[name]['dataset']['type']
        assert 'seg_map_path' not in part.data_prefix
    assert list(shown) == targets * (cfg.model.type != 'SourceOnly')
    for event in ('val', 'test'):
        evaluators = cfg[f'{event}_evaluator']
        assert [metric.prefix for metric in evaluators] == targets
        assert len(cfg[f'{event}_dataloader']) == len(targets)
    segmentor = cfg.model.segmentor
    assert segmentor.decode_head.num_classes == classes
    assert segmentor.get('targets', targets) == targets
    assert cfg.model.get('targets', targets) == targets
    judge = cfg.model.get('discriminator', dict(in_channels=classes))
    assert judge['in_channels'] == classes


@pytest.mark.parametrize(
    'leaf', ['mic/mic_cs2acdc', 'vfm/vfm_uda_gta2cs', 'advent/advent_gta2cs']
)
def test_what_helps_to_write_tables_is_left_out(leaf):
    cfg = load_config(ROOT / f'configs/{leaf}.py')
    assert [
        key for key in cfg if key.startswith('_') or key == 'domains'
    ] == []


@pytest.mark.parametrize(
    'leaf', ['coast_aspp-r101_g2cmi_19', 'mlcl_aspp-r101_g2cmi']
)
def test_the_warm_up_is_that_of_the_setting(leaf):
    cfg = load_config(MTDA / f'{leaf}.py', {'setting': 'c2i_19'})
    warm_up = MTDA / 'warm_up_aspp-r101_g2cmi.py'
    assert cfg.load_from.startswith(f'{default_work_dir(warm_up, "c2i_19")}/')


@pytest.mark.parametrize(
    ('leaf', 'setting', 'name'),
    [
        ('mtkt_deeplabv2-r101_g2cmi', None, 'mtkt_deeplabv2-r101_g2cmi'),
        ('mtkt_deeplabv2-r101_g2cmi', 'g2c_19', 'mtkt_deeplabv2-r101_g2c_19'),
        ('mlcl_aspp-mit-b5_g2ci_960x480', 'c2i', 'mlcl_aspp-mit-b5_c2i'),
        ('mlcl_aspp-r101_g2ci', 'g2ci', 'mlcl_aspp-r101_g2ci'),
        # A config of this name has another weight of the ensemble.
        ('mlcl_aspp-r101_g2ci', 'g2cmi', 'mlcl_aspp-r101_g2ci_g2cmi'),
        (
            'multi_dis_deeplabv2-r18_carla2camvid',
            'carla2day',
            'multi_dis_deeplabv2-r18_carla2day',
        ),
    ],
)
def test_outputs_of_settings_lie_apart(leaf, setting, name):
    folder = default_work_dir(MTDA / f'{leaf}.py', setting)
    assert folder == f'work_dirs/mtda/{name}'


def test_fromfile_of_mmengine_gives_the_same():
    cfg = Config.fromfile(LEAF)
    assert cfg.to_dict() == load_config(LEAF).to_dict()
    assert not {'domains', 'settings', 'protocol'} & set(cfg)


def leaf(folder, text, base=LEAF):
    path = folder / 'leaf.py'
    path.write_text(f"_base_ = '{base}'\n{text}\n")
    return path


def test_what_a_config_says_itself_is_kept(tmp_path):
    text = """
train_dataloader = dict(
    batch_size=2, dataset=dict(targets=dict(idd=dict(ann_file='few.txt')))
)
val_evaluator = [dict(type='EntropyMetric', prefix=n) for n in 'abc']
"""
    cfg = load_config(leaf(tmp_path, text), check=False)
    plain = load_config(LEAF)
    targets = cfg.train_dataloader.dataset.targets
    assert targets.idd.pop('ann_file') == 'few.txt'
    assert targets == plain.train_dataloader.dataset.targets
    assert cfg.train_dataloader.batch_size == 2
    assert [metric.prefix for metric in cfg.val_evaluator] == [*'abc']
    assert cfg.test_evaluator == plain.test_evaluator


def test_a_target_without_validation_is_not_evaluated(tmp_path):
    cfg = load_config(leaf(tmp_path, 'domains = dict(idd=dict(val=None))'))
    prefixes = [metric.prefix for metric in cfg.val_evaluator]
    assert prefixes == ['cityscapes', 'mapillary']
    text = """
domains = dict(
    streets=dict(
        dataset=dict(type='FolderDataset', data_root='data/streets'),
        train=dict(img_path='images'),
    )
)
settings = dict(mine=dict(source='gta5', targets=['streets', 'idd']))
setting = 'mine'
"""
    cfg = load_config(leaf(tmp_path, text))
    assert cfg.model.targets == ['streets', 'idd']
    assert [metric.prefix for metric in cfg.val_evaluator] == ['idd']


@pytest.mark.parametrize('name', [LEAF, ROOT / 'configs/advent/gta2cs.py'])
def test_without_any_validation_nothing_is_evaluated(tmp_path, name):
    path = leaf(
        tmp_path,
        """
domains = dict(
    streets=dict(
        dataset=dict(type='FolderDataset', data_root='data/streets'),
        train=dict(img_path='images'),
    )
)
settings = dict(mine=dict(source='gta5', targets=['streets']))
setting = 'mine'
""",
        name,
    )
    cfg = load_config(path)
    for part in ('dataloader', 'evaluator', 'cfg'):
        assert cfg[f'val_{part}'] is None
        assert cfg[f'test_{part}'] is None


def test_target_images_name_a_pipeline(tmp_path):
    text = """
protocol = dict(default=dict(target_pipeline=[dict(type='LoadImage')]))
target_images = 'target'
"""
    data = load_config(leaf(tmp_path, text)).train_dataloader.dataset
    assert data.targets.idd.pipeline == [dict(type='LoadImage')]


@pytest.mark.parametrize(
    'name',
    [
        *('advent/gta2cs', 'cotraining/cotraining_gta2cs'),
        *('mtda/mtkt_deeplabv2-r101_g2cmi', 'mtda/coast_aspp-r101_g2ci_19'),
    ],
)
@pytest.mark.parametrize('setting', ['synscapes2cs', 'gta_synscapes2bdd'])
def test_labels_of_synscapes_are_resized(name, setting):
    """Which are smaller than their images."""
    cfg = load_config(ROOT / f'configs/{name}.py', {'setting': setting})
    sources = cfg.train_dataloader.dataset.source
    for source in sources if isinstance(sources, list) else [sources]:
        assert source.pipeline[1].type == 'LoadLabels'
        assert source.pipeline[1].resize_mismatch


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (
            "setting = 'g2cim'",
            r"setting='g2cim': settings has no.*did you mean",
        ),
        ("setting = 'g2cmi_20'", r"protocol has no '20'; it has default, 19"),
        ('setting = 7', 'setting=7: give one of gta2cs, '),
        (
            "settings = dict(g2cmi=dict(targets=['cityscape']))",
            "domains has no 'cityscape'.*did you mean 'cityscapes'",
        ),
        (
            "settings = dict(a=dict(source='b', targets=['idd']))\n"
            "setting = 'a'\n"
            "domains = dict(b=dict(dataset=dict(type='FolderDataset'),"
            " train=dict(img_path='x')))",
            'domains.b.train has no seg_map_path',
        ),
        (
            'domains = dict(idd=dict(train=dict(label_set=None)))',
            'domains.idd.train.label_set=None: classes of one domain are '
            'named in protocol.<variant>.exceptions.idd, those of all in '
            r'protocol.<variant>$',
        ),
        (
            'domains = dict(idd=dict(dataset=dict(pipeline=[1])))',
            r'domains.idd.dataset.pipeline=\[1\]: name the steps in '
            r'protocol.<variant>.exceptions.idd$',
        ),
        (
            "settings = dict(g2cmi=dict(targets='idd'))",
            'settings.g2cmi.targets',
        ),
        ('settings = dict(g2cmi=7)', 'settings.g2cmi'),
        ("target_images = 'strong'", "target_images='strong'"),
        ('domains = dict(idd=7)', 'domains.idd'),
        (
            'domains = dict(idd=dict(dataset=None))',
            'domains.idd.dataset=None: must be dict(...)',
        ),
        (
            "domains = dict(idd=dict(val='images'))",
            "domains.idd.val='images': must be dict",
        ),
        (
            'domains = dict(idd=dict(train=None))',
            'domains.idd.train=None: must be dict(...)',
        ),
        ('protocol = dict(default=7)', 'protocol.default'),
        # What nothing reads would leave all as it was.
        (
            "settings = dict(g2cmi=dict(target=['idd']))",
            "settings.g2cmi.target: nothing reads it.*'targets'",
        ),
        (
            "domains = dict(idd=dict(data_root='d'))",
            'domains.idd.data_root: nothing reads it.*there may be dataset',
        ),
        (
            'protocol = dict(default=dict(metrics=dict()))',
            "protocol.default.metrics: nothing reads it.*'metric'",
        ),
        (
            'protocol = dict(default=dict(image_pipeline=[]))',
            "protocol.default.image_pipeline: .*'images_pipeline'",
        ),
        (
            'protocol = dict(default=dict(test_pipeline=[]))',
            'protocol.default.test_pipeline: nothing reads it',
        ),
        (
            'protocol = dict(default=dict(exceptions=dict(gta=dict())))',
            "protocol.default.exceptions.gta: .*'gta5'",
        ),
        (
            'protocol = dict(default=dict(exceptions=dict(idd=dict(x=1))))',
            'protocol.default.exceptions.idd.x: nothing reads it',
        ),
        (
            'protocol = dict(own=dict(num_classes=7))\n'
            "settings = dict(g2cmi=dict(protocol='own'))",
            "protocol.own: it lacks 'evaluated'",
        ),
        (
            'protocol = dict(own=dict(num_classes=7, evaluated=dict()))\n'
            "settings = dict(g2cmi=dict(protocol='own'))",
            'train_pipeline: the protocol of this setting has none$',
        ),
        (
            'settings = dict(g2cmi=dict(terms=dict(MaskedConsistence={})))',
            r"terms\.MaskedConsistence .*no such term.*'MaskedConsistency'",
        ),
        (
            "settings = dict(g2cmi=dict(terms=dict(Entropy='a')))",
            "settings.g2cmi.terms.Entropy='a': must be dict",
        ),
        (
            "settings = dict(g2cmi=dict(targets=['idd', 'idd']))",
            'settings.g2cmi.targets=.*twice',
        ),
        (
            "targets = ['idd']",
            r"targets=\['idd'\]: setting 'g2cmi' has .*in settings",
        ),
        ('num_classes = 19', "num_classes=19: setting 'g2cmi' has 7"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(leaf(tmp_path, text))
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    'options', [{'targets': ['idd']}, {'num_classes': 19}]
)
def test_options_do_not_change_what_follows_from_the_setting(options):
    with pytest.raises(ConfigError, match=f'{[*options][0]}: the config has'):
        load_config(LEAF, options)


def test_a_config_without_settings_has_none_to_choose_from(tmp_path):
    path = tmp_path / 'own.py'
    path.write_text("default_scope = 'mmuda'\nmodel = dict(type='AdvEnt')\n")
    with pytest.raises(ConfigError, match="no 'setting'"):
        load_config(path, {'setting': 'g2ci'})


def test_a_chosen_setting_is_kept_in_what_a_run_writes(tmp_path):
    path = tmp_path / 'written.py'
    load_config(LEAF, {'setting': 'g2ci'}).dump(path)
    cfg = load_config(path)
    assert cfg.to_dict() == load_config(LEAF, {'setting': 'g2ci'}).to_dict()
    with pytest.raises(ConfigError, match='no settings to choose from'):
        load_config(path, {'setting': 'g2cm'})


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        *CASES_OF_PARTS,
        ('model', None),
        ('model', []),
        ('train_dataloader', []),
        ('train_dataloader.dataset', None),
        ('val_dataloader', 5),
        ('val_evaluator', 'x'),
    ],
)
def test_a_wrong_part_is_not_filled_in(tmp_path, key, value):
    base = ROOT / 'configs/advent/gta2cs.py'
    path = write_config(tmp_path / 'own.py', base, key, value)
    with pytest.raises(ConfigError) as raised:
        load_config(path)
    message = str(raised.value).removeprefix(f'{path}: ')
    assert message.removeprefix('TypeError: ').startswith(
        (key, key.rpartition('.')[0] + ':', 'x_pipeline: the protocol')
    )


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('settings = dict(gta2cs=None)', r"settings.gta2cs=None: setting='g"),
        (
            'domains = dict(gta5=None)',
            'domains.gta5=None: settings.gta2cs nee',
        ),
    ],
)
def test_none_takes_out_an_entry(tmp_path, text, message):
    path = tmp_path / 'own.py'
    base = f"_base_ = '{ROOT}/configs/advent/gta2cs.py'\n"
    path.write_text(f'{base}{text}\n')
    with pytest.raises(ConfigError, match=message):
        load_config(path)
    path.write_text(f"{base}{text}\nsetting = 'synthia2cs'\n")
    assert load_config(path).num_classes == 16
    path.write_text(
        f'{base}protocol = dict(default=dict(exceptions=dict(gta5=None)))\n'
    )
    steps = load_config(path).train_dataloader.dataset.source.pipeline
    assert 'resize_mismatch' not in steps[1]


@pytest.mark.parametrize('source', [7, [], ['gta5', 7]])
def test_a_wrong_source_is_named(tmp_path, source):
    text = f'settings = dict(g2cmi=dict(source={source!r}))'
    match = r'settings\.g2cmi\.source=.*a name or a list of names'
    with pytest.raises(ConfigError, match=match):
        load_config(leaf(tmp_path, text))
