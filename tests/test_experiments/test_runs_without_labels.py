"""Finished runs of an experiment are runs of a pool."""

import json

import pytest

from experiments.label_free.experiment_runs import find_runs, source_only_of
from mmuda.utils.errors import ConfigError, DataError


def write(root, row, seed, role, checkpoint='iter_20.pth', start=None):
    folder = root / 'toys' / row / f'seed_{seed}'
    file = folder / checkpoint
    file.parent.mkdir(parents=True)
    for name in ('iter_9.pth', 'iter_20.pth', f'{row}.py'):
        (file.parent / name).touch()
    result = dict(row=row, role=role, seed=seed, checkpoint=checkpoint)
    result['starts_from'] = start
    (folder / 'result.json').write_text(json.dumps(result))
    return folder


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


@pytest.mark.parametrize(
    ('start', 'half'), [('start', 'oracle'), ('method', 'method')]
)
def test_parts_of_source_only_and_oracle_do_not_count(tmp_path, start, half):
    """Older files call both methods."""
    write(tmp_path, 'half', 1, half)
    write(tmp_path, 'best', 1, 'oracle', start='half')
    write(tmp_path, 'short', 1, start)
    write(tmp_path, 'plain', 1, 'source_only', start='short')
    write(tmp_path, 'dacs', 1, 'method', start='short')
    runs = find_runs(tmp_path)
    assert [run.method for run in runs] == ['dacs', 'plain']
    assert source_only_of(runs[0], runs) is runs[1]


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
