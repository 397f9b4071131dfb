"""Tools on bad inputs, each in a forked process, and what came of them."""

import os
import re
import resource
import runpy
import signal
import sys
import time
import traceback
from collections import Counter
from typing import NamedTuple

import demo_data

from mmuda.utils.cli import run_tool

SECONDS = 60
MEMORY = 12 * 2**30  # of addresses, which threads take plenty of
TOOLS = sorted(
    str(path.relative_to(demo_data.ROOT / 'tools'))
    for path in (demo_data.ROOT / 'tools').rglob('*.py')
)
_ERROR = re.compile(r'(\S+\.py( \w+)?: )?error( \(.*\))?: ')
OUTCOMES = ('one clear line', 'accepted', 'traceback', 'hang', 'unclear')


class Case(NamedTuple):
    """A tool with words; what its only line must name."""

    tool: str
    words: list
    names: str


def load(names):
    """Functions of tools by name."""
    return {
        name: runpy.run_path(str(demo_data.ROOT / 'tools' / name))
        for name in names
    }


def outcome(tool, case, tmp_path):
    """Run a case; return one of ``OUTCOMES`` and the last line."""
    printed = tmp_path / 'printed.txt'
    printed.unlink(missing_ok=True)
    process = os.fork()
    if process == 0:
        _child(tool, case, printed)
    end = time.monotonic() + SECONDS
    while os.waitpid(process, os.WNOHANG) == (0, 0):
        if time.monotonic() > end:
            os.killpg(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return 'hang', ''
        time.sleep(0.01)
    text = printed.read_text(errors='replace')
    code = int((tmp_path / 'printed.txt.code').read_text())
    return judge(code, text, case.names)


def judge(code, text, names):
    """Judge what a tool has printed.

    A word of the case's must stand in the only line of an error, which must
    be the last.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    last = lines[-1] if lines else ''
    if 'Traceback (most recent' in text:
        return 'traceback', last
    if code == 0:
        return 'accepted', last
    errors = [line for line in lines if _ERROR.match(line)]
    # check_data lists faults, and counts them.
    faults = code == 1 and last.endswith('fault(s) found')
    if faults and names in text:
        return OUTCOMES[0], last
    clear = errors == [last] and names in last and len(last) < 700
    return OUTCOMES[0] if clear else 'unclear', last


def _child(tool, case, printed):
    """Never returns."""
    os.setpgid(0, 0)
    code = 70
    try:
        file = os.open(printed, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, 1)
        os.dup2(file, 2)
        sys.stdout = os.fdopen(1, 'w', buffering=1, closefd=False)
        sys.stderr = os.fdopen(2, 'w', buffering=1, closefd=False)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        os.environ['COLUMNS'] = '200'
        os.chdir(printed.parent)
        sys.argv = [case.tool.rpartition('/')[2], *map(str, case.words)]
        code = run_tool(tool['main'], tool['parse_args']())
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        (printed.parent / f'{printed.name}.code').write_text(str(code))
        os._exit(0)


def run_all(kind, cases, tools, tmp_path):
    """Run cases; print a row of the table, return those that are not clear."""
    counts, wrong, unexpected = Counter(), [], 0
    for case in cases:
        result, last = outcome(tools[case.tool], case, tmp_path)
        counts[result] += 1
        if '--traceback shows more' in last:
            unexpected += 1
            print(case.tool, *case.words[:9], last, sep=' | ')
        if result != OUTCOMES[0]:
            words = ' '.join(map(str, case.words))
            wrong.append(f'{result}: {case.tool} {words[:200]}: {last[:300]}')
    row = [kind, len(cases), *(counts[name] for name in OUTCOMES)]
    # Lines of the last resort are clear enough, but told by another package.
    row.append(unexpected)
    print('| kind | tried |', ' | '.join(OUTCOMES), '| of a last resort |')
    print('|', ' | '.join(map(str, row)), '|')
    return wrong
