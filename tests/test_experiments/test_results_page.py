"""Tables made of files of results, byte for byte, and their collection."""

import json

import demo_data
import pytest
from tools_in_process import load_tool, run_loaded

from experiments.collection import collect_all, read_collected
from experiments.experiment_files import ROOT
from experiments.result_tables import full_table, result_pages, short_table
from mmuda.utils.errors import ConfigError

FILE = """\
title: Rain → Sun
network: small
source_only: plain
oracle: best
rows:
  best: {config: configs/a.py, title: oracle}
  plain: {config: configs/a.py, title: source only}
  dacs: {config: configs/b.py, title: DACS, starts_from: plain, network: big}
  esl: {config: configs/c.py, title: ESL}
"""
# mIoU by row and seed.
VALUES = {
    'plain': {0: 30.0, 1: 32.0},
    'best': {0: 40.0, 1: 42.0},
    'dacs': {0: 36.0, 1: 37.0},
    'esl': {1: 30.5},
}
STARTS = {'dacs': 'plain'}
FULL = """\
| method | network | seeds | mIoU | mIoU13 | gain | gap closed [%] | hours \
| last checkpoint | commit |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
| [oracle](../configs/x.py) | small | 0, 1 | 41.0 ± 1.4 | 42.0 ± 1.4 \
| +10.0 ± 0.0 | – | 0.50 | `iter_9.pth` | abcdefg+ |
| [source only](../configs/x.py) | small | 0, 1 | 31.0 ± 1.4 | 32.0 ± 1.4 \
| – | – | 0.50 | `iter_9.pth` | abcdefg+ |
| [DACS](../configs/x.py) | big | 0, 1 | 36.5 ± 0.7 | 37.5 ± 0.7 \
| +5.5 ± 0.7 | 55 ± 7 | 1.00 | `iter_9.pth` | abcdefg+ |
| [ESL](../configs/x.py) | small | 1 | 30.5 | 31.5 \
| −1.5 | −15 | 0.50 | `iter_9.pth` | abcdefg+ |
"""
SHORT = """\
| method | Rain → Sun |
| --- | --- |
| oracle | 41.0 ± 1.4 (+10.0 ± 0.0) |
| source only | 31.0 ± 1.4 |
| DACS | 36.5 ± 0.7 (+5.5 ± 0.7) |
| ESL | 30.5 (−1.5) |
"""
LEGEND = """\
`sun/mIoU` in % over 2 classes on the test split, of the last checkpoint; \
mean ± standard deviation over the seeds. Gain over "source only" of the same \
seed, and which share of the gap from it to "oracle" is closed; "harms" is \
one below it with each of several seeds. Hours of \
training, with those of what a row starts from, on cpu with 1 thread(s) a \
run, in bf16. [toys.yml](../experiments/toys.yml), \
[toys.json](../results/toys.json).
"""


def result(row, seed, miou):
    metrics = {'sun/mIoU': miou, 'sun/mIoU13': miou + 1.0}
    metrics |= {'sun/IoU.road': 60.0, 'sun/IoU.car': 2.0, 'sun/IoU.bus': None}
    return dict(
        row=row,
        seed=seed,
        metrics=metrics,
        config='configs/x.py',
        checksum=f'recipe of {row}',
        test_checksum='test',
        options={},
        amp='bf16',
        starts_from=STARTS.get(row),
        iterations=9,
        checkpoint='iter_9.pth',
        seconds=1800.0,
        commits=['abcdefghijk+'],
        versions={'torch': '2'},
        threads=1,
        device='cpu',
    )


def write(root, row, seed, miou, **changes):
    folder = root / 'runs/toys' / row / f'seed_{seed}'
    folder.mkdir(parents=True, exist_ok=True)
    content = result(row, seed, miou) | changes
    (folder / 'result.json').write_text(json.dumps(content))


@pytest.fixture
def repository(tmp_path):
    """A repository with runs, and pages with markers."""
    for name in ('experiments', 'docs/pictures', 'results'):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / 'experiments/toys.yml').write_text(FILE)
    page = 'Before\n\n<!-- results: {} -->\nold\n<!-- end -->\n\nafter\n'
    (tmp_path / 'README.md').write_text(page.format('short'))
    (tmp_path / 'docs/results.md').write_text(page.format('all'))
    for row, values in VALUES.items():
        for seed, miou in values.items():
            write(tmp_path, row, seed, miou)
    return tmp_path


@pytest.fixture
def tool(repository, monkeypatch, capsys):
    loaded = load_tool('misc/results_page.py')

    def run(*words):
        words = ['--root', repository, *words]
        return run_loaded(loaded, words, monkeypatch, capsys)

    return run


def collected(root):
    (text,) = collect_all(root / 'runs', root).values()
    return json.loads(text)


def test_pages_of_the_repository_are_in_step():
    stale = [
        str(path)
        for path, text in result_pages(ROOT).items()
        if path.read_text() != text
    ]
    assert stale == [], 'run tools/misc/results_page.py'


def test_table_has_all_of_each_row(repository):
    assert full_table(collected(repository)) == FULL


def test_what_bounds_start_from_is_no_method_that_harms(repository):
    content = collected(repository)
    rows = content['rows']
    for name, other in (('shorter', 'plain'), ('short_best', 'best')):
        run = dict(rows[other]['runs']['0'], metrics={'sun/mIoU': 25.0})
        rows[name] = rows[other] | dict(title=name, runs={'0': run})
        rows[other]['starts_from'] = name
    cells = {
        line.split(' | ')[0].strip('| '): line.split(' | ')[-5:-3]
        for line in full_table(content).splitlines()
    }
    for name in ('shorter', 'short_best'):
        assert cells[f'[{name}](../configs/x.py)'] == ['–', '–']
    assert cells['[DACS](../configs/x.py)'] == ['+5.5 ± 0.7', '55 ± 7']


@pytest.mark.parametrize(
    ('first', 'gain'),
    [
        (29.0, '−1.2 ± 0.4, **harms**'),
        (30.5, '−0.5 ± 1.4'),
    ],
)
def test_harm_is_what_all_of_several_seeds_say(repository, first, gain):
    content = collected(repository)
    runs = content['rows']['esl']['runs']
    runs['0'] = dict(runs['1'], metrics={'sun/mIoU': first})
    assert f'({gain}) |' in short_table({'toys': content})


def test_table_of_the_readme_has_gains(repository):
    assert short_table({'toys': collected(repository)}) == SHORT


def test_methods_of_several_experiments_share_a_row(repository):
    content = collected(repository)
    other = {**content, 'title': 'Snow', 'rows': dict(content['rows'])}
    del other['rows']['esl']
    lines = short_table({'toys': content, 'other': other}).splitlines()
    assert lines[0] == '| method | Rain → Sun | Snow |'
    assert lines[-1] == '| ESL | 30.5 (−1.5) | – |'


def test_tool_collects_and_writes_pages(repository, tool):
    paths = 'results/toys.json\ndocs/results.md\nREADME.md\n'
    assert tool('--collect', repository / 'runs') == (0, paths)
    page = (repository / 'docs/results.md').read_text()
    assert page == (
        'Before\n\n<!-- results: all -->\n\n### Rain → Sun\n\n'
        f'{FULL}\n{LEGEND}\n<!-- end -->\n\nafter\n'
    )
    assert tool('--check') == (0, '')


def test_check_lists_what_is_out_of_step(repository, tool):
    tool('--collect', repository / 'runs')
    file = repository / 'results/toys.json'
    file.write_text(file.read_text().replace('36.0', '39.0'))
    assert tool('--check') == (1, 'docs/results.md\nREADME.md\n')
    assert '38.0 ± 1.4' not in (repository / 'README.md').read_text()


def test_pictures_are_shown_where_there_are_some(repository, tool):
    (repository / 'docs/pictures/toys_curves.png').touch()
    tool('--collect', repository / 'runs')
    page = (repository / 'docs/results.md').read_text()
    assert '\n![Learning curves](pictures/toys_curves.png)\n' in page


def test_runs_of_other_machines_stay(repository, tool):
    tool('--collect', repository / 'runs')
    write(repository, 'esl', 0, 31.0)
    (repository / 'runs/toys/esl/seed_1/result.json').unlink()
    for seed in VALUES['dacs']:
        folder = repository / f'runs/toys/dacs/seed_{seed}'
        (folder / 'result.json').unlink()
    tool('--collect', repository / 'runs')
    rows = read_collected(repository / 'results/toys.json')['rows']
    assert list(rows) == ['best', 'plain', 'dacs', 'esl']
    assert list(rows['esl']['runs']) == ['0', '1']
    assert list(rows['dacs']['runs']) == ['0', '1']


def test_runs_of_another_recipe_do_not_stay(repository, tool):
    tool('--collect', repository / 'runs')
    write(repository, 'esl', 0, 31.0, checksum='another')
    (repository / 'runs/toys/esl/seed_1/result.json').unlink()
    tool('--collect', repository / 'runs')
    rows = read_collected(repository / 'results/toys.json')['rows']
    assert list(rows['esl']['runs']) == ['0']


def test_seeds_of_two_recipes_are_refused(repository):
    write(repository, 'plain', 1, 31.0, checksum='another')
    with pytest.raises(ConfigError, match='rows.plain: the seeds 0, 1 were'):
        collect_all(repository / 'runs', repository)


def test_a_folder_without_runs_is_told(repository, tmp_path):
    with pytest.raises(ConfigError, match='there is no finished run'):
        collect_all(demo_data.ROOT / 'tests', repository)
