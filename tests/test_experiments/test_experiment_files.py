"""Reading what is compared, and what is wrong with it."""

import pytest
import yaml

from experiments.command_lines import option_words
from experiments.experiment_files import FOLDER, read_experiment
from experiments.planning import check_roles
from experiments.recipes import read_recipes
from experiments.row_roles import roles_of
from mmuda.utils.config_data import data_sets, dataset_leaves
from mmuda.utils.errors import ConfigError

FILE = """\
title: Toys
source_only: plain
oracle: best
rows:
  later: {config: later.py, starts_from: middle}
  plain: {config: plain.py}
  middle: {config: middle.py, tool: self_train, starts_from: plain}
  best: {config: best.py, test: {tta: true, options: {a.b: [1, x]}}}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / 'toys.yml'
    path.write_text(FILE)
    return path


def test_file_is_read(file):
    experiment = read_experiment(file)
    assert (experiment.name, experiment.oracle) == ('toys', 'best')
    row = experiment.rows['best']
    assert (row.test.tta, row.test.options) == (True, {'a.b': [1, 'x']})


STARTS = dict(
    short=None,
    plain='short',
    dacs='short',
    esl='dacs',
    warm_up=None,
    coast='warm_up',
    first=None,
    half='first',
    best='half',
    few='best',
)


def test_parts_of_an_oracle_are_oracles():
    roles = roles_of(STARTS, ['plain'], ['best'])
    by_role = {
        role: [name for name in STARTS if roles[name] == role]
        for role in set(roles.values())
    }
    assert by_role == dict(
        start=['short'],
        source_only=['plain'],
        method=['dacs', 'esl', 'warm_up', 'coast'],
        oracle=['first', 'half', 'best', 'few'],
    )


@pytest.mark.parametrize(
    ('start', 'role'), [('plain', 'source_only'), ('warm_up', 'method')]
)
def test_an_oracle_may_start_from_what_others_do(start, role):
    roles = roles_of({**STARTS, 'best': start}, ['plain'], ['best'])
    assert (roles[start], roles['best']) == (role, 'oracle')


def test_roles_of_an_experiment():
    experiment = read_experiment(FOLDER / 'idda2cs256.yml')
    names = ('source_only', 'source_only_longer', 'oracle', 'dacs')
    assert [experiment.role_of(name) for name in names] == [
        *('start', 'source_only', 'oracle', 'method')
    ]


CAUSES = {
    'source_only': ('source_only', 'source_only_longer'),
    'source_only_longer': ('source_only', 'source_only_longer'),
    'source_only_counted': ('start', 'source_only_longer'),
    'source_only_counted_longer': ('source_only', 'source_only_longer'),
    'source_only_student': ('source_only', 'source_only_longer'),
    'source_only_3000': ('source_only', 'source_only_longer'),
    'dacs': ('method', 'source_only_longer'),
    'dacs_early': ('method', 'source_only'),
    'dacs_3000': ('method', 'source_only_3000'),
    'dacs_by_domain': ('method', 'source_only_counted_longer'),
}


def test_rows_may_be_further_source_only_and_name_their_own():
    causes = read_experiment(FOLDER / 'idda2cs256_causes.yml')
    found = {n: (causes.role_of(n), causes.reference_of(n)) for n in CAUSES}
    assert found == CAUSES


@pytest.mark.parametrize('row', ['minent_too_strong', 'dacs_slow_teacher'])
def test_causes_of_the_second_pair_are_those_of_the_first(row):
    first = read_experiment(FOLDER / 'idda2cs256_causes.yml').rows[row]
    second = read_experiment(FOLDER / 'carla2camvid_causes.yml').rows[row]
    assert second.config == first.config
    assert second.options == {**first.options, 'setting': 'carla2camvid_day'}


@pytest.mark.parametrize(
    ('given', 'role'),
    [('source_only', 'source_only'), ('oracle', 'oracle')],
)
def test_a_row_may_say_its_role(file, given, role):
    file.write_text(FILE + f'  new: {{config: n.py, role: {given}}}\n')
    assert read_experiment(file).role_of('new') == role


def test_a_method_may_be_what_an_oracle_starts_from(file):
    text = FILE.replace('best.py,', 'best.py, starts_from: new,')
    file.write_text(text + '  new: {config: n.py}\n')
    assert read_experiment(file).role_of('new') == 'oracle'
    file.write_text(text + '  new: {config: n.py, role: method}\n')
    assert read_experiment(file).role_of('new') == 'method'


def test_what_others_start_from_comes_first(file):
    experiment = read_experiment(file)
    assert experiment.chosen(None) == ['plain', 'middle', 'later', 'best']
    assert experiment.chosen(['later']) == ['plain', 'middle', 'later']
    assert experiment.chosen(['best']) == ['best']
    assert experiment.chain('later') == ['later', 'middle', 'plain']


@pytest.mark.parametrize(
    ('old', 'new', 'fault'),
    [
        ('title: Toys\n', '', 'the experiment.title is missing'),
        ('oracle: best', 'oracle: bets', "'bets' (did you mean 'best'?)"),
        ('tool: self_train', 'tool: esl', 'rows.middle.tool'),
        ('tool: self_train', 'tols: esl', "there is no 'tols'"),
        ('tta: true', 'tta: maybe', 'rows.best.test.tta'),
        ('{config: plain.py}', '{}', 'rows.plain.config is missing'),
        ('tool: self_train', 'role: orcale', 'rows.middle.role'),
        ('tool: self_train', 'rol: oracle', "(did you mean 'role'?)"),
        ('tool: self_train', 'source_only: plane', "(did you mean 'plain'?)"),
        ('tool: self_train', 'source_only: middle', 'has no other row'),
        ('{config: plain.py}', '{config: p.py, role: oracle}', 'role says'),
        ('best.py,', 'best.py, source_only: plain,', 'no method but oracle'),
        ('tool: self_train', 'source_only: best', 'is the oracle'),
        (
            'tool: self_train',
            'title: plain',
            "rows.middle.title: 'plain' is what rows.plain is called, too",
        ),
        ('[1, x]', '[1, {x: 2}]', 'rows.best.test.options.a.b[1]: '),
        (
            '{config: plain.py}',
            '{config: plain.py, starts_from: later}',
            'start from each other',
        ),
        (
            '{config: plain.py}',
            '{config: plain.py, first_options: {a: 1}}',
            'first_options: only tool: self_train',
        ),
        ('  plain:', '  a-b: {config: x.py}\n  plain:', 'rows.a-b: a row is'),
        ('  plain:', '  best: {config: x.py}\n  plain:', "'tag:yaml.org"),
        (FILE, '[]', 'holds no keys'),
        (FILE, '{', 'no YAML'),
    ],
)
def test_faults_are_told(file, old, new, fault):
    assert old in FILE
    file.write_text(FILE.replace(old, new, 1))
    with pytest.raises(ConfigError) as error:
        read_experiment(file)
    assert str(error.value).startswith(f'{file}: ')
    assert fault in str(error.value)


def test_options_are_read_as_they_were_written():
    options = {'a': 1, 'b': 1.5e-05, 'c': True, 'd': None, 'e': 'x', 'f': [1]}
    assert option_words({**options, 'g': [[1, 2], []]}) == [
        *('a=1', 'b=1.5e-05', 'c=True', 'd=None', 'e=x', 'f=[1]'),
        'g=[[1,2],[]]',
    ]


@pytest.mark.parametrize('value', ['1', 'a,b', 'None', ['true']])
def test_options_that_would_be_others_are_refused(value):
    with pytest.raises(ConfigError, match='options.a: a command line cannot'):
        option_words({'a': value})


def folders_of(config, part):
    """Folders of the data sets of a part of a config."""
    return [
        (leaf['data_root'], leaf.get('ann_file'), leaf.get('include'))
        for name, dataset in data_sets(config).items()
        if name.partition('.')[0] == part
        for leaf in dataset_leaves(dataset)
    ]


def unweighted(part):
    """A part of a config without weights of classes."""
    if not isinstance(part, dict):
        return part
    return {
        name: unweighted(value)
        for name, value in part.items()
        if name != 'class_weight'
    }


WITH_ORACLE = [
    file
    for file in sorted(FOLDER.glob('*.yml'))
    if read_experiment(file).oracle is not None
]


def adapting(experiment):
    """Name of the first row that sees images of a target."""
    for name in experiment.rows:
        recipe = read_recipes(experiment, [name], {})[name]
        dataset = recipe.configs['config'].train_dataloader.dataset
        if dataset.get('target') or dataset.get('targets'):
            return name
    raise AssertionError('no row adapts')


@pytest.mark.parametrize('file', WITH_ORACLE, ids=lambda file: file.stem)
def test_upper_bounds_learn_the_targets_and_are_tested_as_the_others(file):
    experiment = read_experiment(file)
    names = [experiment.source_only, experiment.oracle]
    first = adapting(experiment)
    method = read_recipes(experiment, [first], {})[first]
    targets = method.configs['config'].train_dataloader.dataset
    domains = [*targets.get('targets', ['target'])]
    roots = {name: f'at/{name}' for name in ('source', *domains)}
    recipes = read_recipes(experiment, [*names, first], roots)
    plain, oracle, adapted = (r.configs['config'] for r in recipes.values())
    learned = folders_of(oracle, 'source')
    unlabelled = [
        part for name in domains for part in folders_of(adapted, name)
    ]
    assert learned == unlabelled
    assert folders_of(oracle, 'test') == folders_of(plain, 'test')
    assert {folder for folder, *_ in learned} == {
        roots[name] for name in domains
    }
    for config in (plain, oracle):
        leaf = next(dataset_leaves(config.train_dataloader.dataset.source))
        kinds = [step['type'] for step in leaf['pipeline']]
        assert 'LoadLabels' in kinds
    # All else is the same, but for weights of the classes that are learned.
    assert unweighted(oracle.model) == unweighted(plain.model)
    for key in ('optim_wrapper', 'param_scheduler', 'train_cfg'):
        assert oracle[key] == plain[key], key


@pytest.mark.parametrize('file', sorted(FOLDER.glob('*.yml')))
def test_experiments_of_the_repository_can_be_run(file):
    experiment = read_experiment(file)
    names = experiment.chosen(None)
    recipes = read_recipes(experiment, names, {})
    assert [r.iterations > 0 for r in recipes.values()] == [True] * len(names)
    check_roles(experiment, recipes)
    assert yaml.safe_load(file.read_text())['title'] == experiment.title


@pytest.mark.parametrize(
    ('row', 'keys', 'fault'),
    [
        ('source_only', '', 'so it is no method that gains or harms'),
        ('minent', 'role: source_only', 'trains on a target'),
        ('source_only', 'role: source_only', None),
        ('source_only', 'role: method', None),
    ],
)
def test_roles_are_what_configs_do(file, row, keys, fault):
    configs = {'plain': 'source_only', 'new': row}
    rows = ''.join(
        f'  {name}: {{config: configs/demo/demo_{config}_gta2cs.py, '
        f'{keys if name == "new" else ""}}}\n'
        for name, config in configs.items()
    )
    file.write_text(f'title: Toys\nsource_only: plain\nrows:\n{rows}')
    experiment = read_experiment(file)
    recipes = read_recipes(experiment, ['plain', 'new'], {})
    if fault is None:
        check_roles(experiment, recipes)
    else:
        with pytest.raises(ConfigError, match=f'^rows.new: .*{fault}'):
            check_roles(experiment, recipes)
