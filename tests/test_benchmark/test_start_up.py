import os
import time

import pytest

from benchmarks.start_up import (
    BARE,
    HELP,
    OURS,
    PROGRAMS,
    THEIRS,
    rows_of,
    run_python,
    work_of_processes,
)
from mmuda.utils.errors import ConfigError

EMPTY = {**os.environ, 'PYTHONPATH': ''}


def test_rows_are_medians_of_ratios_in_a_round():
    times = {OURS: [3.0, 1.2, 5.0], THEIRS: [2.0, 1.0, 4.0]}
    times |= {BARE: [1.0, 0.3, 2.0], HELP: [0.5, 2.0, 0.2]}
    rows = rows_of(times)
    assert [row.value for row in rows] == [1.25, 3.0, 0.5, 0.25]
    assert [row.goal for row in rows] == [1.2, None, 1.0, None]
    assert [row.is_met for row in rows] == [False, None, True, None]
    assert [row.unit for row in rows] == ['', '', 's', '']


def test_the_help_runs_from_any_folder(tmp_path, monkeypatch):
    """It fails where it has imported PyTorch, or nothing is found."""
    monkeypatch.chdir(tmp_path)
    run_python(PROGRAMS[HELP], EMPTY)


def test_a_help_that_imports_pytorch_is_an_error(tmp_path):
    """By a module of its name that is imported when Python starts."""
    (tmp_path / 'torch.py').touch()
    (tmp_path / 'sitecustomize.py').write_text('import torch\n')
    with pytest.raises(ConfigError, match=r'code 1: it has imported torch'):
        run_python(PROGRAMS[HELP], EMPTY | {'PYTHONPATH': str(tmp_path)})


def test_last_words_of_what_fails():
    with pytest.raises(ConfigError, match="'-c import nope'.*No module named"):
        run_python(('-c', 'import nope'))
    with pytest.raises(ConfigError, match='exit code 3: it said nothing'):
        run_python(('-c', 'raise SystemExit(3)'))


def test_work_is_that_of_processes_alone():
    before, own = work_of_processes(), time.process_time()
    while time.process_time() - own < 0.05:
        pass
    assert work_of_processes() == before
    code = 'import time\nwhile time.process_time() < 0.2: pass'
    run_python(('-c', code))
    # It is counted in hundredths of a second.
    assert work_of_processes() - before >= 0.15
