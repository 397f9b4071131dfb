"""Tables made of files of results, byte for byte, and their collection."""

import json

import demo_data
import pytest
from tools_in_process import load_tool, run_loaded

from experiments.collection import collect_all, read_collected
from experiments.experiment_files import ROOT
from experiments.result_tables import (
    full_table,
    result_pages,
    section,
    short_table,
)
from mmuda.utils.errors import ConfigError

FILE = """\
title: Rain → Sun
network: small
source_only: plain
oracle: best
rows:
  best: {config: configs/x.py, title: oracle}
  half: {config: configs/x.py, title: half of it}
  plain: {config: configs/x.py, title: source only, starts_from: half}
  dacs: {config: configs/x.py, title: DACS, starts_from: half, network: big}
  esl: {config: configs/x.py, title: ESL}
"""
# By row, without those of what it starts from.
ITERATIONS = {'best': 1900, 'half': 900, 'plain': 1000, 'dacs': 1000}
ITERATIONS |= {'esl': 1900}
# mIoU by row and seed.
VALUES = {
    'half': {0: 25.0},
    'plain': {0: 30.0, 1: 32.0},
    'best': {0: 40.0, 1: 42.0},
    'dacs': {0: 36.0, 1: 37.0},
    'esl': {1: 30.5},
}
STARTS = {'dacs': 'half', 'plain': 'half'}
FULL = """\
| method | network | seeds | iterations | mIoU | mIoU13 | gain \
| gap closed [%] | hours | last checkpoint | commit |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
| [oracle](../configs/x.py) | small | 0, 1 | 1,900 | 41.0 ± 1.4 | 42.0 ± 1.4 \
| – | – | 0.50 | `iter_9.pth` | abcdefg+ |
| [half of it](../configs/x.py) | small | 0 | 900 | 25.0 | 26.0 \
| – | – | 0.50 | `iter_9.pth` | abcdefg+ |
| [source only](../configs/x.py) | small | 0, 1 | 1,900 | 31.0 ± 1.4 \
| 32.0 ± 1.4 | – | – | 1.00 | `iter_9.pth` | abcdefg+ |
| [DACS](../configs/x.py) | big | 0, 1 | 1,900 | 36.5 ± 0.7 | 37.5 ± 0.7 \
| +5.5 ± 0.7 | 55 ± 7 | 1.00 | `iter_9.pth` | abcdefg+ |
| [ESL](../configs/x.py) | small | 1 | 1,900 | 30.5 | 31.5 \
| −1.5 | −15 | 0.50 | `iter_9.pth` | abcdefg+ |
"""
SHORT = """\
| method | Rain → Sun |
| --- | --- |
| oracle | 41.0 ± 1.4 |
| half of it | 25.0 |
| source only | 31.0 ± 1.4 |
| DACS | 36.5 ± 0.7 (+5.5 ± 0.7) |
| ESL | 30.5 (−1.5) |
"""
LEGEND = """\
`sun/mIoU` in % over 2 classes on the test split, of the last checkpoint; \
mean ± standard deviation over the seeds. Gain over "source only" of the same \
seed, and which share of the gap from it to "oracle" is closed; "harms" is \
one below it with each of several seeds. Iterations and hours of training \
are with those of what a row starts from; other work of the machine \
lengthens hours. On cpu with 1 thread(s) a run, in bf16. \
[toys.yml](../experiments/toys.yml), [toys.json](../results/toys.json).
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
        iterations=ITERATIONS[row],
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


def cells_of(content):
    """Iterations, gain and closed gap, by title."""
    rows = [line.split(' | ') for line in full_table(content).splitlines()]
    return {
        cells[0].partition(']')[0].strip('|[ '): (cells[3], *cells[-5:-3])
        for cells in rows[2:]
    }


def add(content, name, like, values, iterations=1000, **changes):
    """A row as another one, with mIoU by seed."""
    run = content['rows'][like]['runs']['0']
    content['rows'][name] = content['rows'][like] | dict(
        title=name,
        runs={
            str(seed): run
            | dict(metrics={'sun/mIoU': miou}, iterations=iterations)
            for seed, miou in values.items()
        },
        **changes,
    )


def without_roles(content):
    """As files were before rows had roles."""
    for row in content['rows'].values():
        del row['role'], row['source_only']
    return content


@pytest.mark.parametrize('of_before', [False, True])
def test_bounds_and_their_parts_gain_nothing(repository, of_before):
    content = collected(repository)
    add(content, 'first', 'best', {0: 35.0}, 500)
    add(content, 'few', 'best', {0: 38.0}, 10, starts_from='best')
    content['rows']['best']['starts_from'] = 'first'
    if of_before:
        without_roles(content)
    cells = cells_of(content)
    assert cells['oracle'] == ('2,400', '–', '–')
    assert cells['first'] == ('500', '–', '–')
    assert cells['few'] == ('2,410', '–', '–')
    assert cells['half of it'] == ('900', '–', '–')
    assert cells['DACS'] == ('1,900', '+5.5 ± 0.7', '55 ± 7')
    short = short_table({'toys': content})
    assert '| first | 35.0 |' in short
    assert '| few | 38.0 |' in short


def test_a_further_source_only_is_no_method_that_harms(repository):
    content = collected(repository)
    add(content, 'student', 'plain', {0: 29.0, 1: 30.0})
    cells = cells_of(content)
    assert cells['student'] == ('1,900', '(−1.5 ± 0.7)', '–')
    assert '| student | 29.5 ± 0.7 |' in short_table({'toys': content})
    # Another network is no comparison, and another budget is told.
    add(content, 'other', 'plain', {0: 29.0, 1: 30.0}, network='big')
    add(content, 'short', 'plain', {0: 29.0, 1: 30.0}, 100)
    cells = cells_of(content)
    assert cells['other'] == ('1,900', '–', '–')
    found = '(−1.5 ± 0.7, 1,000 to 1,900 iterations)'
    assert cells['short'] == ('1,000', found, '–')
    text = section('toys', content, repository)
    assert 'In brackets is how a further source only differs' in text
    assert 'harms**' not in text


def test_a_row_is_compared_with_the_source_only_that_it_names(repository):
    content = collected(repository)
    add(content, 'plain_long', 'plain', {0: 33.0, 1: 34.0}, 3000)
    add(content, 'long', 'dacs', {0: 32.0, 1: 33.5}, 3000)
    content['rows']['long']['source_only'] = 'plain_long'
    assert cells_of(content)['long'] == (
        *('3,900', '−0.8 ± 0.4, **harms**', '–'),
    )
    text = section('toys', content, repository)
    assert ' "long": over "plain_long". ' in text
    assert 'two numbers of iterations' not in text


def test_unequal_iterations_are_told(repository):
    content = collected(repository)
    add(content, 'long', 'dacs', {0: 28.0, 1: 29.0}, 3000)
    add(content, 'short', 'dacs', {0: 28.0, 1: 29.0}, 300)
    # Less after a longer training is harm, after a shorter one no sign.
    gain = '−2.5 ± 0.7, 3,900 to 1,900 iterations, **harms**'
    assert cells_of(content)['long'] == ('3,900', gain, '–')
    less = '−2.5 ± 0.7, 1,200 to 1,900 iterations'
    assert cells_of(content)['short'] == ('1,200', less, '–')
    assert f'| long | 28.5 ± 0.7 ({gain}) |' in short_table({'toys': content})
    text = section('toys', content, repository)
    assert 'Where a gain has two numbers of iterations, source only' in text


def test_iterations_of_a_start_that_is_not_there_are_unknown(repository):
    content = collected(repository)
    add(content, 'worse', 'dacs', {0: 28.0, 1: 29.0}, 1000)
    del content['rows']['half']
    # So it is not known whether the comparison is fair.
    assert cells_of(content)['DACS'] == ('–', '+5.5 ± 0.7', '–')
    assert cells_of(content)['worse'] == ('–', '−2.5 ± 0.7', '–')


def test_roles_are_those_of_the_file_now(repository):
    file = repository / 'experiments/toys.yml'
    line = 'title: ESL}'
    text = FILE.replace(line, 'title: ESL, role: source_only}')
    file.write_text(text)
    rows = collected(repository)['rows']
    assert [row['role'] for row in rows.values()] == [
        *('oracle', 'start', 'source_only', 'method', 'source_only')
    ]
    assert {row['source_only'] for row in rows.values()} == {'plain'}


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
    assert list(rows) == ['best', 'half', 'plain', 'dacs', 'esl']
    assert list(rows['esl']['runs']) == ['0', '1']
    assert list(rows['dacs']['runs']) == ['0', '1']


def test_rows_that_the_file_has_changed_do_not_stay(repository, tool):
    tool('--collect', repository / 'runs')
    file = repository / 'experiments/toys.yml'
    line = 'half: {config: configs/x.py,'
    assert line in FILE
    file.write_text(FILE.replace(line, f'{line} options: {{a: 1}},'))
    for kept in (repository / 'runs/toys').glob('[hde]*/seed_*/result.json'):
        # of half, dacs and esl
        kept.unlink()
    _, said = tool('--collect', repository / 'runs')
    rows = read_collected(repository / 'results/toys.json')['rows']
    # What starts from the changed row goes with it.
    assert list(rows) == ['best', 'plain', 'esl']
    for name in ('half', 'dacs'):
        assert f'known results of {name} are left out' in said


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
