"""Finished runs of an experiment are runs of a pool."""

import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from experiments.label_free.experiment import Record
from experiments.label_free.experiment_groups import (
    METHOD,
    POOL,
    RUN,
    groups_of,
)
from experiments.label_free.experiment_runs import (
    ExperimentRun,
    find_runs,
    source_only_of,
)
from experiments.label_free.run_roles import given_roles
from mmuda.evaluation.harm_alarms import Evidence
from mmuda.evaluation.label_free_state import LabelFreeState
from mmuda.utils.errors import ConfigError, DataError


def data(root, img_path='images', **more):
    """A data set in a folder."""
    prefix = dict(img_path=img_path, seg_map_path='labels')
    return dict(
        type='FolderDataset', data_root=root, data_prefix=prefix, **more
    )


def config(source, target=None, tested='city', **more):
    """What tells the role of a run, of a config."""
    dataset = dict(type='DomainDataset', source=source, **more)
    if target is not None:
        dataset['target'] = target
    return Config(
        dict(
            model=dict(type='Any'),
            train_dataloader=dict(dataset=dataset),
            test_dataloader=dict(dataset=data(tested, ann_file='test.txt')),
        )
    )


GAME, CITY = data('game'), data('city', ann_file='train.txt')
PLAIN, ORACLE, ADAPTED = config(GAME), config(CITY), config(GAME, CITY)


def checkpoints(folder, name, cfg):
    folder.mkdir(parents=True, exist_ok=True)
    for file in ('iter_9.pth', 'iter_20.pth'):
        (folder / file).touch()
    cfg.dump(folder / f'{name}.py')


def write(
    root,
    row,
    seed,
    role,
    checkpoint='iter_20.pth',
    start=None,
    cfg=ADAPTED,
    source_only='plain',
):
    """A finished run of an experiment; one of before without its reference."""
    folder = root / 'toys' / row / f'seed_{seed}'
    checkpoints((folder / checkpoint).parent, row, cfg)
    result = dict(row=row, role=role, seed=seed, checkpoint=checkpoint)
    result['starts_from'] = start
    if source_only is not None:
        result['source_only'] = source_only
    (folder / 'result.json').write_text(json.dumps(result))
    return folder


def write_plain(root, name, cfg, seed=0):
    """A work directory in a pool."""
    cfg = Config(dict(cfg.to_dict(), randomness=dict(seed=seed)))
    checkpoints(root / 'toys' / name, name, cfg)


def roles_in(root, *given):
    return {
        run.method: run.role
        for run in find_runs(root, given_roles(given, root))
    }


def test_rows_and_seeds_are_runs(tmp_path):
    write(tmp_path, 'plain', 0, 'source_only')
    write(tmp_path, 'plain', 1, 'source_only')
    write(tmp_path, 'best', 1, 'oracle')
    esl = write(tmp_path, 'esl', 1, 'method', 'round_1/iter_20.pth')
    run, first, second = find_runs(tmp_path)
    assert (run.pool, run.name, run.method) == ('toys', 'esl/seed_1', 'esl')
    assert run.config == esl / 'round_1/esl.py'
    assert [c.name for c in run.checkpoints] == ['iter_9.pth', 'iter_20.pth']
    assert [r.is_source_only for r in (run, first, second)] == [0, 1, 1]
    assert source_only_of(run, [run, first, second]) is second


@pytest.mark.parametrize('of_before', [False, True])
def test_parts_of_source_only_and_oracle_do_not_count(tmp_path, of_before):
    """Older files call both methods, and name nothing to compare with."""
    half, short = ('method',) * 2 if of_before else ('oracle', 'start')
    named = dict(source_only=None if of_before else 'plain')
    write(tmp_path, 'half', 1, half, cfg=ORACLE, **named)
    write(tmp_path, 'best', 1, 'oracle', start='half', cfg=ORACLE, **named)
    write(tmp_path, 'short', 1, short, cfg=PLAIN, **named)
    write(
        tmp_path, 'plain', 1, 'source_only', start='short', cfg=PLAIN, **named
    )
    write(tmp_path, 'dacs', 1, 'method', start='short', **named)
    runs = find_runs(tmp_path)
    assert [run.method for run in runs] == ['dacs', 'plain']
    assert source_only_of(runs[0], runs) is runs[1]


def test_halves_of_unfinished_bounds_of_before_are_no_methods(tmp_path):
    write(tmp_path, 'half', 0, 'method', cfg=ORACLE, source_only=None)
    write(tmp_path, 'short', 0, 'method', cfg=PLAIN, source_only=None)
    dacs = dict(start='short', source_only=None)
    write(tmp_path, 'dacs', 0, 'method', **dacs)
    runs = find_runs(tmp_path)
    assert [(run.method, run.role) for run in runs] == [
        *(('dacs', 'method'), ('short', 'source_only')),
    ]
    # It is half of what dacs has to beat.
    assert runs[1].is_further
    assert source_only_of(runs[0], runs) is None


def test_a_further_source_only_is_no_method(tmp_path):
    for row in ('plain', 'plain_long', 'student'):
        write(tmp_path, row, 0, 'source_only', cfg=PLAIN)
    write(tmp_path, 'dacs', 0, 'method')
    write(tmp_path, 'long', 0, 'method', source_only='plain_long')
    write(tmp_path, 'lost', 0, 'method', source_only='plain_lost')
    runs = {run.method: run for run in find_runs(tmp_path)}
    assert [name for name, run in runs.items() if run.is_further] == [
        *('plain_long', 'student')
    ]
    found = {
        n: source_only_of(r, list(runs.values())) for n, r in runs.items()
    }
    assert found['dacs'] is runs['plain']
    assert found['long'] is runs['plain_long']
    assert found['lost'] is None


def test_results_of_before_may_lie_beside_new_ones(tmp_path):
    write(tmp_path, 'a_student', 0, 'source_only', cfg=PLAIN)
    write(tmp_path, 'plain', 0, 'source_only', cfg=PLAIN)
    write(tmp_path, 'old', 0, 'method', source_only=None)
    write(tmp_path, 'old_student', 0, 'method', cfg=PLAIN, source_only=None)
    runs = {run.method: run for run in find_runs(tmp_path)}
    assert runs['old'].source_only == 'plain'
    assert runs['old_student'].is_further


def test_an_oracle_is_no_source_only_in_plain_folders(tmp_path):
    for name, cfg in (('a_best', ORACLE), ('b_dacs', ADAPTED), ('c', PLAIN)):
        write_plain(tmp_path, name, cfg)
    few = config(GAME, labelled_target=data('city', ann_file='few.txt'))
    write_plain(tmp_path, 'd_few', few)
    runs = find_runs(tmp_path)
    assert {run.method: run.role for run in runs} == dict(
        b_dacs='method', c='source_only', d_few='method'
    )
    assert source_only_of(runs[0], runs) is runs[1]


@pytest.mark.parametrize(
    ('source', 'adapted'),
    [
        # another list of the target's images
        (data('city', ann_file='few.txt'), ADAPTED),
        # what the tested images lie beside, and no run that adapts
        (CITY, PLAIN),
        # a folder in that of the target's images
        (data('city/images/rendered'), ADAPTED),
    ],
)
def test_what_the_data_do_not_tell_is_asked(tmp_path, source, adapted):
    write_plain(tmp_path, 'one', config(source))
    write_plain(tmp_path, 'two', adapted)
    with pytest.raises(ConfigError, match='--roles toys/one=source_only or'):
        find_runs(tmp_path)
    assert 'one' not in roles_in(tmp_path, 'toys/one=oracle')
    assert roles_in(tmp_path, 'toys/one=source_only')['one'] == 'source_only'


def test_target_statistics_see_the_target(tmp_path):
    measured = Config(PLAIN.to_dict())
    measured.model.norm_statistics = dict(mode='target', images=8)
    for name, cfg in (('measured', measured), ('plain', PLAIN)):
        write_plain(tmp_path, name, cfg)
    found = roles_in(tmp_path)
    assert found == dict(measured='method', plain='source_only')


def test_folders_beside_that_of_the_target_are_told_apart(tmp_path):
    source = data('data', 'game/images')
    cfg = config(source, data('data', 'city/images'), tested='data/city')
    write_plain(tmp_path, 'one', config(source, tested='data/city'))
    write_plain(tmp_path, 'two', cfg)
    assert roles_in(tmp_path) == dict(one='source_only', two='method')


def test_what_starts_from_a_given_oracle_is_one(tmp_path):
    write(tmp_path, 'plain', 0, 'source_only', cfg=PLAIN)
    write(tmp_path, 'best', 0, 'method', cfg=ORACLE)
    write(tmp_path, 'best_longer', 0, 'method', start='best', cfg=ORACLE)
    write(tmp_path, 'dacs', 0, 'method')
    assert roles_in(tmp_path, 'toys/best=oracle') == dict(
        dacs='method', plain='source_only'
    )


def test_rows_are_compared_with_source_only_of_their_seed(tmp_path):
    write(tmp_path, 'plain', 0, 'source_only', cfg=PLAIN)
    for seed in (0, 1):
        write(tmp_path, 'dacs', seed, 'method')
    runs = {run.name: run for run in find_runs(tmp_path)}
    found = [
        source_only_of(runs[f'dacs/seed_{seed}'], list(runs.values()))
        for seed in (0, 1)
    ]
    assert found == [runs['plain/seed_0'], None]


def test_a_role_may_be_given_to_a_row(tmp_path):
    for seed in (0, 1):
        write(tmp_path, 'translated', seed, 'method', cfg=PLAIN)
        write(tmp_path, 'plain', seed, 'method', cfg=PLAIN, source_only=None)
        write(tmp_path, 'dacs', seed, 'method', source_only=None)
    runs = find_runs(
        tmp_path, given_roles(['toys/plain=source_only'], tmp_path)
    )
    by_name = {run.name: run for run in runs}
    assert by_name['translated/seed_0'].role == 'method'
    assert not by_name['plain/seed_1'].is_further
    found = source_only_of(by_name['dacs/seed_1'], runs)
    assert found is by_name['plain/seed_1']


@pytest.mark.parametrize(
    ('word', 'fault'),
    [
        ('toys/plane=oracle', "no run 'toys/plane' (did you mean 'toys/plai"),
        ('toys/plain=orcale', "method (did you mean 'oracle'?)"),
        ('toys/plain', 'must be POOL/RUN=ROLE'),
    ],
)
def test_faults_of_given_roles_are_told(tmp_path, word, fault):
    write_plain(tmp_path, 'plain', PLAIN)
    with pytest.raises(ConfigError) as error:
        given_roles([word], tmp_path)
    assert fault in str(error.value)


def test_of_several_source_only_that_of_as_many_iterations_counts(tmp_path):
    for name in ('short', 'whole'):
        write_plain(tmp_path, name, PLAIN)
    (tmp_path / 'toys/short/iter_20.pth').unlink()
    write_plain(tmp_path, 'dacs', ADAPTED)
    dacs, _, whole = runs = find_runs(tmp_path)
    assert source_only_of(dacs, runs) is whole


def test_unfinished_rows_are_none(tmp_path):
    folder = write(tmp_path, 'plain', 0, 'source_only')
    (folder / 'result.json').unlink()
    with pytest.raises(DataError, match='has no runs'):
        find_runs(tmp_path)


def test_lost_checkpoints_are_told(tmp_path):
    folder = write(tmp_path, 'plain', 0, 'source_only')
    for file in folder.glob('*.pth'):
        file.unlink()
    with pytest.raises(ConfigError, match='has lost its checkpoints'):
        find_runs(tmp_path)


def test_a_further_source_only_is_chosen_among_no_methods():
    state = LabelFreeState(3)
    state.update(torch.rand(2, 3, 4, 5))
    records = [
        Record(run, iteration, 30.0, Evidence(state), None, None)
        for run in (
            ExperimentRun(
                'p', name, Path('a.py'), (), name[:-1], 0, role, 'plain'
            )
            for name, role in (
                ('dacs0', 'method'),
                ('dacs1', 'method'),
                ('plain0', 'source_only'),
                ('student0', 'source_only'),
                ('student1', 'source_only'),
            )
        )
        for iteration in (1, 2)
    ]
    found = [(g.kind, g.name, len(g.truth)) for g in groups_of(records)]
    runs = ('dacs0', 'dacs1', 'plain0', 'student0', 'student1')
    assert found == [
        *((RUN, f'p/{name}', 2) for name in runs),
        (POOL, 'p', 3),
        (METHOD, 'p/dacs', 2),
    ]
