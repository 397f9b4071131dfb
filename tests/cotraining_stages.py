"""Stages of a tool that waits and writes when it ran."""

from mmuda.procedures.execution import Devices, Executor
from mmuda.procedures.stage import Stage
from mmuda.procedures.state import ProcedureState

TOOL = """
import sys, time
from pathlib import Path
result, code, seconds = sys.argv[1:4]
began = time.time()
time.sleep(float(seconds))
if code == '0':
    Path(result).parent.mkdir(parents=True, exist_ok=True)
    Path(result).write_text(f'{began} {time.time()}')
sys.exit(int(code))
"""


def write_tool(root):
    (root / 'tools').mkdir()
    (root / 'tools/tool.py').write_text(TOOL)
    return make_executor(root)


def make_executor(root, processes=1, train_processes=1):
    lines = []
    executor = Executor(
        root / 'tools',
        ProcedureState(root),
        Devices(processes),
        {},
        lines.append,
        train_processes,
    )
    object.__setattr__(executor, 'lines', lines)
    return executor


def make_stage(root, name, code=0, seconds=0.0, **options):
    result = root / name / 'result.txt'
    arguments = (str(result), str(code), str(seconds))
    return Stage(name, 'tool.py', arguments, result, **options)
