# Copyright (c) mmuda authors.
"""Tables of results, made of the collected files alone."""

from collections.abc import Mapping
from pathlib import Path

from experiments.collection import (
    RESULTS,
    Collected,
    CollectedRow,
    read_collected,
)
from experiments.row_roles import Role, roles_of
from experiments.table_values import (
    class_count,
    closed_shares,
    gains,
    main_metric,
    spread,
    subset_means,
)
from mmuda.utils.generated_pages import markdown_table, with_parts

PAGE = 'docs/results.md'
PICTURES = 'docs/pictures'
NOTHING = 'No run has been collected yet.'
_NONE = '–'
_HARM = '**harms**'
_SHORT = 'short'
_ALL = 'all'


def result_pages(root: Path) -> dict[Path, str]:
    """Pages with tables of results, as they should be.

    Args:
        root: Of the repository.

    Raises:
        ConfigError: A page lacks the markers.
        DataError: A file of results is damaged.
    """
    results = {
        path.stem: read_collected(path)
        for path in sorted((root / RESULTS).glob('*.json'))
    }

    def part(name: str) -> str:
        if name == _SHORT or not results:
            return short_table(results)
        return '\n'.join(
            section(key, content, root) for key, content in results.items()
        )

    pages = {root / PAGE: _ALL, root / 'README.md': _SHORT}
    return {
        page: with_parts(page, 'results', needed, (_ALL, _SHORT), part)
        for page, needed in pages.items()
    }


def section(name: str, content: Collected, root: Path) -> str:
    """What the page says of an experiment.

    Args:
        name: Of the experiment.
        content: Its results.
        root: Of the repository, which may hold pictures of it.
    """
    text = f'### {content["title"]}\n\n{full_table(content)}\n'
    text += f'{_legend(name, content)}\n'
    for kind, title in (
        ('curves', 'Learning curves'),
        ('comparison', 'Before and after'),
    ):
        file = f'{name}_{kind}.png'
        if (root / PICTURES / file).is_file():
            text += f'\n![{title}](pictures/{file})\n'
    return text


def full_table(content: Collected) -> str:
    """All that is known of each row.

    Args:
        content: Results of an experiment.
    """
    rows = content['rows']
    subsets = dict.fromkeys(
        name
        for row in rows.values()
        for run in row['runs'].values()
        for name in subset_means(run['metrics'])
    )
    heading = [
        *('method', 'network', 'seeds', 'iterations', 'mIoU', *subsets),
        *('gain', 'gap closed [%]', 'hours', 'last checkpoint', 'commit'),
    ]
    return markdown_table(
        [heading, *(_cells(content, name, [*subsets]) for name in rows)]
    )


def short_table(results: Mapping[str, Collected]) -> str:
    """Methods by experiments: mIoU and gain.

    Args:
        results: By name of the experiment.
    """
    titles = dict.fromkeys(
        row['title']
        for content in results.values()
        for row in content['rows'].values()
    )
    if not results:
        return f'{NOTHING}\n'
    table = [['method', *(c['title'] for c in results.values())]]
    for title in titles:
        cells = []
        for content in results.values():
            names = [
                name
                for name, row in content['rows'].items()
                if row['title'] == title
            ]
            cells.append(_short_cell(content, names[0]) if names else _NONE)
        table.append([title, *cells])
    return markdown_table(table)


def _short_cell(content: Collected, name: str) -> str:
    text = _miou(content['rows'][name])
    if role_in(content, name) != 'method':
        return text
    gain = _gain(content, name)
    return text if gain == _NONE else f'{text} ({gain})'


def _cells(content: Collected, name: str, subsets: list[str]) -> list[str]:
    row = content['rows'][name]
    runs = row['runs'].values()
    checkpoints = dict.fromkeys(run['checkpoint'] for run in runs)
    commits = dict.fromkeys(
        commit[:7] + '+' * commit.endswith('+')
        for run in runs
        for commit in run['commits']
    )
    means = []
    for subset in subsets:
        values = [subset_means(run['metrics']).get(subset) for run in runs]
        found = spread([value for value in values if value is not None])
        means.append(found.text() if found else _NONE)
    return [
        f'[{row["title"]}](../{row["config"]})',
        row['network'],
        ', '.join(row['runs']),
        _iterations_text(content, name),
        _miou(row),
        *means,
        _gain(content, name),
        _closed(content, name),
        _hours(content, name),
        ', '.join(f'`{checkpoint}`' for checkpoint in checkpoints),
        ', '.join(commits),
    ]


def _values(content: Collected, name: str | None) -> dict[int, float]:
    """Main metric by seed; none of a row that is not there."""
    row = content['rows'].get(name or '')
    found = {} if row is None else row['runs']
    return {
        int(seed): main_metric(run['metrics'])[1]
        for seed, run in found.items()
    }


def _miou(row: CollectedRow) -> str:
    found = spread(
        [main_metric(run['metrics'])[1] for run in row['runs'].values()]
    )
    return found.text() if found else _NONE


def role_in(content: Collected, name: str) -> Role:
    """What a row is for the others.

    Args:
        content: Results; those that were collected before rows had roles tell
            only where rows start.
        name: Of the row.
    """
    rows = content['rows']
    stored = rows[name].get('role')
    if stored is not None:
        return stored
    starts = {key: row['starts_from'] for key, row in rows.items()}
    oracle = content['oracle']
    oracles = [] if oracle is None else [oracle]
    return roles_of(starts, [content['source_only']], oracles)[name]


def _reference(content: Collected, name: str) -> str:
    """The source-only row that a row is compared with."""
    return content['rows'][name].get('source_only', content['source_only'])


def _gain(content: Collected, name: str) -> str:
    """Over source-only, by seed; harm is named if no seed says otherwise.

    A further source-only is no method: how it differs is in brackets.
    """
    role, reference = role_in(content, name), _reference(content, name)
    if role not in ('method', 'source_only') or name == reference:
        return _NONE
    each = gains(_values(content, name), _values(content, reference))
    found = spread(each)
    if found is None:
        return _NONE
    text = found.text(sign='+')
    own, others = _budgets(content, name)
    if own is None or others is None:
        return text
    if own != others:
        text += f', {own:,} to {others:,} iterations'
    if role == 'source_only':
        rows = content['rows']
        alike = rows[name]['network'] == rows[reference]['network']
        return f'({text})' if alike else _NONE
    # One seed is chance as well, and a shorter training no sign.
    harms = len(each) > 1 and max(each) < 0 and own >= others
    return f'{text}, {_HARM}' if harms else text


def _closed(content: Collected, name: str) -> str:
    """Share of the gap between the bounds, of a method that is as fair."""
    source_only = content['source_only']
    own, others = _budgets(content, name)
    if (
        role_in(content, name) != 'method'
        or _reference(content, name) != source_only
        or own is None
        or own != others
    ):
        return _NONE
    found = spread(
        closed_shares(
            _values(content, name),
            _values(content, source_only),
            _values(content, content['oracle']),
        )
    )
    return found.text(digits=0) if found else _NONE


def _iterations(content: Collected, name: str) -> int | None:
    """Of a row with all that it starts from; None if not all is known."""
    chain = _chain(content, name)
    if not chain or content['rows'][chain[-1]]['starts_from'] is not None:
        return None
    # Runs of a row are of one recipe.
    each = (content['rows'][row]['runs'].values() for row in chain)
    return sum(next(iter(runs))['iterations'] for runs in each)


def _iterations_text(content: Collected, name: str) -> str:
    found = _iterations(content, name)
    return _NONE if found is None else f'{found:,}'


def _budgets(content: Collected, name: str) -> tuple[int | None, int | None]:
    """Iterations of a row and of its source-only."""
    reference = _reference(content, name)
    return _iterations(content, name), _iterations(content, reference)


def _hours(content: Collected, name: str) -> str:
    """Mean of the training, with those that it starts from."""
    total = 0.0
    for row in _chain(content, name):
        runs = content['rows'][row]['runs'].values()
        found = spread([run['seconds'] for run in runs])
        total += found.mean if found else 0.0
    return f'{total / 3600:.2f}'


def _chain(content: Collected, name: str | None) -> list[str]:
    """A row, what it starts from, and so on; fewer iterations each."""
    names: list[str] = []
    while name in content['rows']:
        names.append(name)
        name = content['rows'][name]['starts_from']
    return names


def _legend_of_gains(content: Collected) -> str:
    rows = content['rows']
    source = rows.get(content['source_only'])
    methods = [name for name in rows if role_in(content, name) == 'method']
    text = ''
    if source is not None:
        text = f'Gain over "{source["title"]}" of the same seed'
        oracle = rows.get(content['oracle'] or '')
        if oracle is not None:
            text += (
                ', and which share of the gap from it to '
                f'"{oracle["title"]}" is closed'
            )
        text += '; "harms" is one below it with each of several seeds. '
    others: dict[str, list[str]] = {}
    for name, row in rows.items():
        reference = _reference(content, name)
        own = reference not in (name, content['source_only'])
        if own and _gain(content, name) != _NONE:
            others.setdefault(reference, []).append(f'"{row["title"]}"')
    for reference, titles in others.items():
        names = ' and '.join(titles)
        text += f'{names}: over "{rows[reference]["title"]}". '
    if any(' iterations' in _gain(content, name) for name in methods):
        text += (
            'Where a gain has two numbers of iterations, source only was not '
            'trained for as many, and no share follows. '
        )
    if any(_gain(content, name)[0] == '(' for name in rows):
        text += (
            'In brackets is how a further source only differs, which is no '
            'gain of a method. '
        )
    return text


def _legend(name: str, content: Collected) -> str:
    rows = content['rows']
    runs = [run for row in rows.values() for run in row['runs'].values()]
    counts = sorted({class_count(run['metrics']) for run in runs})
    classes = ' or '.join(map(str, counts))
    metric = main_metric(runs[0]['metrics'])[0]
    text = (
        f'`{metric}` in % over {classes} classes on the test split, of the '
        'last checkpoint; mean ± standard deviation over the seeds. '
    )
    text += _legend_of_gains(content)
    threads = sorted({run['threads'] for run in runs})
    devices = sorted({run['device'] for run in runs})
    amps = sorted({run['amp'] for run in runs})
    text += (
        'Iterations and hours of training are with those of what a row '
        'starts from; other work of the machine lengthens hours. On '
        f'{" and ".join(devices)} with {" or ".join(map(str, threads))} '
        f'thread(s) a run, in {" and ".join(amps)}. '
        f'[{name}.yml](../experiments/{name}.yml), '
        f'[{name}.json](../results/{name}.json).'
    )
    return text
