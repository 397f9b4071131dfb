import copy

import pytest
from mmengine.config import Config

from mmuda.utils.config import (
    config_text,
    default_work_dir,
    load_config,
)
from mmuda.utils.config_data import (
    override_data_roots,
    pseudo_labelled_targets,
    set_pseudo_label_root,
)
from mmuda.utils.errors import ConfigError


@pytest.fixture
def config_file(tmp_path):
    path = tmp_path / 'advent' / 'gta2cs.py'
    path.parent.mkdir()
    path.write_text(
        "default_scope = 'mmuda'\n"
        'train_cfg = dict(max_iters=10)\n'
        'milestones = [1, 2]\n'
    )
    return path


def uda_config(**dataset):
    """Source and target for training, the target's folder for validation."""
    dataset = dataset or dict(
        source=dict(type='GTADataset', data_root='data/gta'),
        target=dict(type='CityscapesDataset', data_root='data/cityscapes'),
    )
    evaluated = dict(type='CityscapesDataset', data_root='data/cityscapes')
    return Config(
        dict(
            train_dataloader=dict(
                dataset=dict(type='DomainDataset', **dataset)
            ),
            val_dataloader=dict(dataset=dict(evaluated)),
            test_dataloader=dict(dataset=dict(evaluated)),
        )
    )


def test_options_replace_values(config_file):
    cfg = load_config(config_file, {'train_cfg.max_iters': 3})
    assert cfg.train_cfg.max_iters == 3


def test_option_of_runner_need_not_be_in_config(config_file):
    cfg = load_config(config_file, {'randomness.seed': 3})
    assert cfg.randomness.seed == 3


@pytest.mark.parametrize('key', ['tta_model.type', 'runner_type'])
def test_option_of_tools_need_not_be_in_config(config_file, key):
    assert load_config(config_file, {key: 'Own'}, check=False)


def test_text_of_a_config_can_be_read_again(tmp_path):
    """MMEngine writes infinity as a name that nobody defines."""
    inf = float('inf')
    values = dict(end=inf, lowest=-inf, word='nan', plain=[1, 'inf'])
    file = tmp_path / 'written.py'
    for cfg in (Config(values), Config(dict(word='inf'))):
        # What was read is written and read once more.
        for _ in range(2):
            file.write_text(config_text(cfg))
            again = load_config(file)
            assert {key: again[key] for key in cfg} == cfg.to_dict()
            cfg = again
    assert 'float' not in file.read_text()


def test_missing_config_is_named(tmp_path):
    with pytest.raises(ConfigError, match='nowhere.py: no such config file'):
        load_config(tmp_path / 'nowhere.py')


def test_broken_config_is_named(tmp_path):
    path = tmp_path / 'broken.py'
    path.write_text('model = dict(\n')
    with pytest.raises(ConfigError, match='broken.py:1: SyntaxError'):
        load_config(path)


@pytest.mark.parametrize(
    ('base', 'leaf', 'fault'),
    [
        ('a = 1\nb = (', '', r"base\.py:2: SyntaxError: '\(' was never clo"),
        ('a = 1\nb = c\n', '', r"base\.py:2: NameError: name 'c' is not"),
        ('a = 1\n', "b = '{}'.x\n", r'leaf\.py:2: AttributeError: '),
        ("_base_ = './leaf.py'\n", '', 'nested too deeply, or containing its'),
        ("_base_ = './away.py'\n", '', r'No such file.*away\.py'),
        ("_base_ = ['./b.py', './c.py']\n", '', 'Duplicate key.*a'),
        ('a = dict(b=1)\n', 'a = 5\nc = dict(a=a.b)\n', 'AttributeError'),
        ('a = 1\n', 'raise SystemExit(3)\n', 'SystemExit: 3'),
    ],
)
def test_fault_names_the_file_that_has_it(tmp_path, base, leaf, fault):
    (tmp_path / 'base.py').write_text(base)
    for name in 'bc':
        (tmp_path / f'{name}.py').write_text('a = 2\n')
    (tmp_path / 'leaf.py').write_text(f"_base_ = ['./base.py']\n{leaf}")
    with pytest.raises(ConfigError, match=fault) as raised:
        load_config(tmp_path / 'leaf.py')
    assert '\n' not in str(raised.value)


def test_misspelt_option_is_named(config_file):
    with pytest.raises(
        ConfigError, match=r"no 'train_cfk' \(did you mean 'train_cfg'\?\)"
    ):
        load_config(config_file, {'train_cfk.max_iters': 3})


def test_option_with_index_out_of_list_is_refused(config_file):
    with pytest.raises(ConfigError, match=r'milestones\.7: .* is a list of'):
        load_config(config_file, {'milestones.7': 3})


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('load_from.x', 'load_from is None in the config, which has no parts'),
        (
            'model.rows.top',
            r'rows is None .* add model\.rows\._delete_',
        ),
        ('model.rows.top.x', 'model.rows is None in the config'),
        (
            'model.terms.0.kind.a',
            r"terms\.0\.kind is 'mean' in the config",
        ),
        (
            'model.terms.1.kind',
            r'model\.terms is a list of 1; name an',
        ),
        ('model.terms.kind', r'model\.terms is a list of 1; name an'),
        ('model.size.0', r'model\.size is \(3, 4\) in the config, wh'),
    ],
)
def test_options_below_a_value_are_refused_in_one_line(
    tmp_path, option, message
):
    file = tmp_path / 'own.py'
    file.write_text(
        'load_from = None\n'
        "model = dict(rows=None, terms=[dict(kind='mean')], size=(3, 4))\n"
    )
    with pytest.raises(ConfigError, match=message) as raised:
        load_config(file, {option: 3}, check=False)
    assert str(raised.value).startswith(f'{option}: ')
    assert '\n' not in str(raised.value)


def test_a_dict_may_take_the_place_of_none(tmp_path):
    file = tmp_path / 'own.py'
    file.write_text('model = dict(rows=None, terms=[dict(a=1)])\n')
    options = {'model.rows._delete_': True, 'model.rows.top': 3}
    options |= {'model.terms.0.a': 2, 'model.new.part': 4}
    model = load_config(file, options, check=False).model
    assert model == dict(rows=dict(top=3), terms=[dict(a=2)], new=dict(part=4))


def test_work_dir_has_method_and_config():
    assert default_work_dir('configs/advent/gta2cs.py') == (
        'work_dirs/advent/gta2cs'
    )


def test_work_dir_does_not_depend_on_working_directory(
    config_file, monkeypatch
):
    monkeypatch.chdir(config_file.parent)
    assert default_work_dir('gta2cs.py') == 'work_dirs/advent/gta2cs'


def test_source_root_is_replaced_for_training_only():
    cfg = uda_config()
    override_data_roots(cfg, {'source': 'elsewhere/gta'})
    assert cfg.train_dataloader.dataset.source.data_root == 'elsewhere/gta'
    assert cfg.train_dataloader.dataset.target.data_root == 'data/cityscapes'
    assert cfg.val_dataloader.dataset.data_root == 'data/cityscapes'


def test_target_root_is_replaced_for_training_and_evaluation():
    cfg = uda_config()
    override_data_roots(cfg, {'target': 'elsewhere'})
    assert cfg.train_dataloader.dataset.source.data_root == 'data/gta'
    assert cfg.train_dataloader.dataset.target.data_root == 'elsewhere'
    assert cfg.val_dataloader.dataset.data_root == 'elsewhere'
    assert cfg.test_dataloader.dataset.data_root == 'elsewhere'


def test_source_only_config_has_target_to_evaluate_on():
    cfg = uda_config(source=dict(type='GTADataset', data_root='data/gta'))
    override_data_roots(cfg, {'source': 'a', 'target': 'b'})
    assert cfg.train_dataloader.dataset.source.data_root == 'a'
    assert cfg.test_dataloader.dataset.data_root == 'b'


@pytest.mark.parametrize('given', [['source'], ['source', 'target']])
def test_upper_bound_is_tested_in_the_folder_that_it_is_trained_in(given):
    cfg = uda_config(source=dict(data_root='data/cityscapes'))
    cfg.unseen_targets = dict(target=dict(data_root='data/cityscapes'))
    override_data_roots(cfg, {name: f'new/{name}' for name in given})
    assert cfg.train_dataloader.dataset.source.data_root == 'new/source'
    # What is named by itself keeps its own.
    other = f'new/{given[-1]}'
    assert cfg.test_dataloader.dataset.data_root == other
    assert cfg.val_dataloader.dataset.data_root == other
    assert cfg.unseen_targets.target.data_root == other


def test_each_of_several_targets_brings_its_evaluation_set():
    cfg = uda_config(
        targets=dict(
            cityscapes=dict(data_root='data/cityscapes'),
            idd=dict(data_root='data/idd'),
        )
    )
    cfg.val_dataloader = [
        dict(dataset=dict(data_root='data/cityscapes')),
        dict(dataset=dict(data_root='data/idd')),
    ]
    override_data_roots(cfg, {'idd': 'elsewhere'})
    assert cfg.train_dataloader.dataset.targets.idd.data_root == 'elsewhere'
    roots = [loader.dataset.data_root for loader in cfg.val_dataloader]
    assert roots == ['data/cityscapes', 'elsewhere']


@pytest.mark.parametrize('targets', [True, False])
def test_evaluation_sets_in_one_folder_follow_their_names(targets):
    names = ['day', 'dusk']
    cfg = uda_config(
        source=dict(data_root='data/carla'),
        targets={name: dict(data_root='data/camvid') for name in names}
        if targets
        else None,
    )
    cfg.val_dataloader = [
        dict(dataset=dict(data_root='data/camvid')) for _ in names
    ]
    cfg.val_evaluator = [
        dict(type='DomainIoUMetric', prefix='day'),
        [dict(type='DomainIoUMetric', prefix='dusk')],
    ]
    override_data_roots(cfg, {'day': 'a', 'dusk': 'b'})
    roots = [loader.dataset.data_root for loader in cfg.val_dataloader]
    assert roots == ['a', 'b']


def test_root_reaches_dataset_inside_a_repeated_one():
    inner = dict(type='GTADataset', data_root='data/gta')
    cfg = uda_config(source=dict(type='RepeatDataset', times=2, dataset=inner))
    override_data_roots(cfg, {'source': 'elsewhere'})
    source = cfg.train_dataloader.dataset.source
    assert source.dataset.data_root == 'elsewhere'


def test_unknown_domain_lists_the_known_ones():
    with pytest.raises(
        ConfigError, match="'idd': no such domain; .* has source, target"
    ):
        override_data_roots(uda_config(), {'idd': 'elsewhere'})


def test_one_root_for_several_data_sets_is_refused():
    cfg = uda_config(
        source=[dict(data_root='data/gta'), dict(data_root='data/synthia')]
    )
    with pytest.raises(ConfigError, match="'source': made of several"):
        override_data_roots(cfg, {'source': 'elsewhere'})


def several_sources():
    cfg = uda_config()
    sources = [dict(data_root='a'), dict(dataset=dict(data_root='b'))]
    cfg.train_dataloader.dataset.source = sources
    return cfg


def test_roots_of_several_sources():
    cfg = several_sources()
    override_data_roots(cfg, {'source.0': 'c', 'source.1': 'd'})
    first, second = cfg.train_dataloader.dataset.source
    assert (first.data_root, second.dataset.data_root) == ('c', 'd')


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('source', r'name the folder of each: source\.0=DIR'),
        ('source.2', r'the domain has 2 data set\(s\), counted from 0'),
        ('source.x', r'the domain has 2 data set\(s\), counted from 0'),
    ],
)
def test_wrong_root_of_several_sources(name, message):
    with pytest.raises(ConfigError, match=message):
        override_data_roots(several_sources(), {name: 'c'})


def test_pseudo_labels_of_several_targets_lie_side_by_side():
    loads = [dict(type='LoadPseudoLabels')]
    targets = dict(
        rome=dict(pipeline=copy.deepcopy(loads)),
        oslo=dict(pipeline=copy.deepcopy(loads)),
        bonn=dict(pipeline=[]),
    )
    cfg = Config(dict(train_dataloader=dict(dataset=dict(targets=targets))))
    set_pseudo_label_root(cfg, 'labels')
    targets = cfg.train_dataloader.dataset.targets
    assert targets.rome.pipeline[0].pseudo_label_root == 'labels/rome'
    assert targets.oslo.pipeline[0].pseudo_label_root == 'labels/oslo'
    assert pseudo_labelled_targets(cfg) == ['rome', 'oslo']
