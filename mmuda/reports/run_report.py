# Copyright (c) mmuda authors.
"""A page that shows all of a training: ``report.html``."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import NotRequired, TypedDict

from mmuda.utils.files import atomic_write
from mmuda.utils.json_files import read_json
from mmuda.utils.names import HARM_REPORT
from mmuda.utils.written_configs import read_dumped_config

from .html_pages import (
    details_html,
    note_html,
    page_html,
    section_html,
    table_html,
)
from .label_quality import label_quality_html
from .run_environment import read_environment, started_at
from .run_history import RunHistory, Series, read_history
from .run_panels import class_curves, panel_html, panels_of
from .run_pictures import pictures_html

REPORT = 'report.html'


class _HarmReport(TypedDict):
    harms: bool
    alarms: dict[str, list[str]]
    unknown: list[str]
    teacher_disagreement: NotRequired[float | None]


def write_report(work_dir: Path) -> Path:
    """Write ``report.html`` of a training, or of what there is of it.

    The page is one file below five megabytes, which needs no network.

    Args:
        work_dir: Of the training.

    Returns:
        The file.

    Raises:
        DataError: Nothing was logged there, or a file is damaged.
    """
    page = work_dir / REPORT
    atomic_write(page, report_html(work_dir))
    return page


def report_html(work_dir: Path) -> str:
    """The page; see :func:`write_report`.

    Args:
        work_dir: Of the training.

    Raises:
        DataError: Nothing was logged there, or a file is damaged.
    """
    history = read_history(work_dir)
    config = _config_of(work_dir, history)
    first, last = (started_at(history.runs[place]) for place in (0, -1))
    panels = ''.join(map(panel_html, panels_of(history)))
    settings = [(key, _shown(value)) for key, value in config.items()]
    parts = [
        table_html(_facts(work_dir, history, config)),
        section_html('Has adaptation harmed?', harm_html(work_dir, last)),
        section_html('Curves', f'<div class="grid">{panels}</div>'),
        section_html('IoU by class', *classes_html(history.validation)),
        section_html(
            'Pictures over time',
            *pictures_html(work_dir, history.next_step, first),
        ),
        section_html('Pseudo-labels', *label_quality_html(config)),
        section_html('Runs and versions', *_runs_html(history.runs)),
        section_html(
            'Config',
            details_html(f'{len(settings)} values', table_html(settings)),
        ),
    ]
    return page_html(f'Training {work_dir.resolve().name}', parts)


def _config_of(work_dir: Path, history: RunHistory) -> dict[str, Any]:
    """That of the last run, as it was written."""
    last = history.runs[-1]
    files = [last / 'vis_data' / 'config.py', *sorted(work_dir.glob('*.py'))]
    there = [file for file in files if file.is_file()]
    return read_dumped_config(there[0]) if there else {}


def _facts(
    work_dir: Path, history: RunHistory, config: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    planned = config.get('train_cfg.max_iters')
    of = f' of {planned:,} in the log' if isinstance(planned, int) else ''
    yield 'folder', str(work_dir)
    yield 'method', str(config.get('model.type', 'unknown'))
    yield 'iterations', f'{history.done:,}{of}'
    yield (
        'time of iterations',
        f'about {_duration(history.seconds)}, estimated from the log',
    )
    for name, (steps, values) in history.validation.items():
        if name.rpartition('/')[2] == 'mIoU' and np.isfinite(values).any():
            best = int(np.nanargmax(values))
            yield (
                name,
                f'{values[-1]:.2f} at the end, highest {values[best]:.2f} '
                f'at iteration {steps[best]:,}',
            )
    seeds = [read_environment(run).get('seed') for run in history.runs]
    seed = config.get('randomness.seed', 'unknown')
    known = sorted({str(value) for value in seeds if value is not None})
    yield 'seed', ', '.join(known) or str(seed)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02}:{rest:02} hours'


def _shown(value: object) -> str:
    return value if isinstance(value, str) else repr(value)


def harm_html(work_dir: Path, since: float = 0.0) -> str:
    """What ``HarmReportHook`` or ``harm_report.py --out`` has found.

    Args:
        work_dir: Of the training.
        since: When its last run was started, as :func:`started_at` tells; an
            older report is not of what this run has trained.

    Returns:
        A part for each target, those of several under their names; nothing
        if it was not asked.
    """
    stem, suffix = HARM_REPORT.split('.')
    parts = []
    for file in sorted(work_dir.glob(f'{stem}*.{suffix}')):
        name = file.stem.removeprefix(stem).removeprefix('_')
        parts.append(f'<h3>{escape(name)}</h3>' if name else '')
        parts.append(_harm_of_file(file, since))
    return ''.join(parts)


def _harm_of_file(file: Path, since: float) -> str:
    if file.stat().st_mtime < since:
        return note_html(
            f'{file.name} is older than the last run and left out; '
            'harm_report.py makes it anew.'
        )
    found = read_json(file, 'make it anew by harm_report.py', _HarmReport)
    text = 'Adaptation has probably harmed.'
    kind = 'bad'
    if not found['harms']:
        any_alarm = any(found['alarms'].values())
        kind = 'note' if any_alarm else 'good'
        text = 'No sign that adaptation has harmed.'
        if any_alarm:
            text = 'Too few alarms to call it harm; look at the pictures.'
    rows = [
        (alarm, '; '.join(reasons) or 'no')
        for alarm, reasons in found['alarms'].items()
    ]
    rows += [('not known', text) for text in found['unknown']]
    share = found.get('teacher_disagreement')
    if isinstance(share, float):
        rows.append(('student and teacher differ on', f'{100 * share:.1f} %'))
    return note_html(text, kind) + table_html(rows, ('sign', 'found'))


def classes_html(validation: Mapping[str, Series]) -> Iterator[str]:
    """IoU of each class at the first and the last validation, and the best.

    Args:
        validation: Values by name.

    Yields:
        A table for each target.
    """
    for target, curves in class_curves(validation).items():
        count = max(len(values) for _, values in curves.values())
        heads = ['first', 'last', 'highest', 'change']
        # A single validation is first, last and highest in one.
        heads = heads if count > 1 else ['IoU']
        rows = [
            (name, *(f'{v:.2f}' for v in _row(values)[: len(heads)]))
            for name, (_, values) in curves.items()
        ]
        place = f' on {target}' if target else ''
        yield details_html(
            f'IoU in %{place}, {count} validation(s)',
            table_html(rows, ('class', *heads)),
            is_open=True,
        )


def _row(values: np.ndarray) -> Sequence[float]:
    known = values[np.isfinite(values)]
    highest = known.max() if len(known) else np.nan
    return values[0], values[-1], highest, values[-1] - values[0]


def _runs_html(runs: Sequence[Path]) -> Iterator[str]:
    rows = []
    for run in runs:
        found = read_environment(run)
        versions = found.pop('versions', {})
        rows.append((run.name, 'log', f'{run.name}/{run.name}.log'))
        rows += [('', key, str(value)) for key, value in found.items()]
        if isinstance(versions, dict):
            words = ', '.join(f'{k} {v}' for k, v in versions.items())
            rows += [('', 'versions', words)] if words else []
    yield table_html(rows, ('run', '', ''))
