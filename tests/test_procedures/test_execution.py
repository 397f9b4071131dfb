import io
import sys
from pathlib import Path

import pytest
from cotraining_stages import make_executor, make_stage, write_tool
from rich.console import Console

from mmuda.procedures.execution import Devices, visible_gpus
from mmuda.procedures.procedure_command import ProcedureCommand
from mmuda.utils.errors import ConfigError
from mmuda.utils.processes import Command

SECONDS = "f'{began} {time.time()}'"
WORLD = "__import__('os').environ['WORLD_SIZE']"
WAIT = 'time.sleep(float(seconds))'
# A minute is enough for the slowest start of a process.
MEET = """
begun = Path(result).parents[1]
(begun / f'{Path(result).parent.name}.begun').touch()
deadline = time.monotonic() + 60
while len(list(begun.glob('*.begun'))) < 2:
    if time.monotonic() > deadline:
        sys.exit(9)
    time.sleep(0.01)
"""


@pytest.fixture
def executor(tmp_path):
    return write_tool(tmp_path)


def test_stage_leaves_its_result(executor, tmp_path):
    stage = make_stage(tmp_path, 'one')
    assert (executor.run((stage,)), stage.is_done) == (0, True)


def test_failed_stage_gives_its_code(executor, tmp_path):
    assert executor.run((make_stage(tmp_path, 'one', code=3),)) == 3


@pytest.mark.parametrize(
    ('code', 'word'),
    [(0, ''), (2, 'failed; mend it:'), (130, 'stopped;'), (143, 'stopped;')],
)
def test_only_a_signal_is_a_stop(executor, tmp_path, code, word):
    command = ProcedureCommand(
        None, tmp_path / 'tools', dict, None, None, None
    )
    console = Console(file=io.StringIO(), width=200)
    steps = [(make_stage(tmp_path, 'one', code=code),)]
    ended = command._run_steps(console, steps, executor.state)
    told = console.file.getvalue().splitlines()
    text = f'[1/1] one: {word} the same command continues'
    assert (ended, told[1:]) == (code, [text] if code else [])


def test_finished_stage_is_not_run_again(executor, tmp_path):
    stage = make_stage(tmp_path, 'one', code=3)
    stage.folder.mkdir()
    stage.result.write_text('done before')
    assert executor.run((stage,)) == 0
    assert stage.result.read_text() == 'done before'


def test_one_process_runs_stages_one_after_the_other(executor, tmp_path):
    stages = tuple(make_stage(tmp_path, n, seconds=0.2) for n in 'ab')
    executor.run(stages)
    (_, first_end), (second_begin, _) = map(times, stages)
    assert second_begin > first_end


def test_two_processes_run_two_stages_side_by_side(executor, tmp_path):
    """Neither ends before both have begun."""
    tool = tmp_path / 'tools/tool.py'
    tool.write_text(tool.read_text().replace(WAIT, MEET))
    stages = tuple(make_stage(tmp_path, n) for n in 'ab')
    assert make_executor(tmp_path, processes=2).run(stages) == 0
    assert all(stage.is_done for stage in stages)


def test_trainings_wait_for_their_processes(executor, tmp_path):
    """Two of two processes each, where there are three."""
    stages = tuple(make_stage(tmp_path, n, seconds=0.2, work=1) for n in 'ab')
    make_executor(tmp_path, 3, train_processes=2).run(stages)
    (_, first_end), (second_begin, _) = map(times, stages)
    assert second_begin > first_end


@pytest.mark.parametrize('processes', [2, 3])
def test_training_has_its_processes_whatever_there_is(
    executor, tmp_path, processes
):
    tool = tmp_path / 'tools/tool.py'
    tool.write_text(tool.read_text().replace(SECONDS, WORLD))
    stage = make_stage(tmp_path, 'one', work=1)
    make_executor(tmp_path, processes, train_processes=2).run((stage,))
    assert stage.result.read_text() == '2'


def test_warnings_in_a_log_are_told(executor, tmp_path):
    """Lines of earlier runs, and other lines, are not."""
    line = "print('warning: no image', flush=True)\nprint('done')\n"
    tool = tmp_path / 'tools/tool.py'
    tool.write_text(line + tool.read_text())
    stages = tuple(make_stage(tmp_path, n) for n in 'ab')
    (tmp_path / 'a.log').write_text('warning: before\n')
    two = make_executor(tmp_path, processes=2)
    two.run(stages)
    told = [line for line in two.lines if ': warning: ' in line]
    assert told == ['a: warning: no image', 'b: warning: no image']


def times(stage):
    return tuple(map(float, stage.result.read_text().split()))


def test_second_stage_is_left_after_a_failure(executor, tmp_path):
    stages = make_stage(tmp_path, 'a', code=3), make_stage(tmp_path, 'b')
    assert executor.run(stages) == 3
    assert not stages[1].is_done


def test_devices_are_shared():
    parts = Devices(5, tuple('01234')).split(2)
    assert parts == [Devices(2, ('0', '1')), Devices(3, ('2', '3', '4'))]


def test_one_device_is_not_shared():
    assert Devices(1, ('0',)).split(2) == [Devices(1, ('0',))]


def test_stage_sees_its_gpus_only():
    environment = Devices(2, ('4', '6')).environment
    assert environment == {'CUDA_VISIBLE_DEVICES': '4,6'}


def test_hidden_gpus_are_not_used(monkeypatch):
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '3,5')
    assert visible_gpus(2) == ('3', '5')


def test_all_gpus_are_used_otherwise(monkeypatch):
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    assert visible_gpus(2) == ('0', '1')


def test_training_without_images_keeps_its_weights(executor, tmp_path):
    keys, weights = tmp_path / 'keys.txt', tmp_path / 'weights.pth'
    keys.write_text('')
    weights.write_text('weights')
    stage = make_stage(
        tmp_path, 'one', 3, uses={'images': keys}, fallback=weights
    )
    assert executor.run((stage,)) == 0
    assert stage.result.read_text() == 'weights'


def test_skipped_stage_is_told(executor, tmp_path):
    keys, weights = tmp_path / 'keys.txt', tmp_path / 'weights.pth'
    keys.write_text('')
    weights.write_text('weights')
    uses = {'images': keys}
    executor.run((make_stage(tmp_path, 'one', uses=uses, fallback=weights),))
    assert 'warning: one has no image' in executor.lines[0]


def test_training_with_images_runs(executor, tmp_path):
    keys = tmp_path / 'keys.txt'
    keys.write_text('a\n')
    uses = {'images': keys}
    stage = make_stage(tmp_path, 'one', uses=uses, fallback=keys)
    executor.run((stage,))
    assert stage.result.read_text() != 'a\n'


def test_missing_input_is_named(executor, tmp_path):
    uses = {'weights': [tmp_path / 'lost.pth']}
    with pytest.raises(ConfigError, match=r"one needs '.*lost.pth'; run the"):
        executor.run((make_stage(tmp_path, 'one', uses=uses),))


def test_python_is_the_one_that_runs():
    words = Command(Path('tools/train.py'), ('a.py',)).words()
    assert words == [sys.executable, 'tools/train.py', 'a.py']


def test_several_processes_are_launched():
    words = Command(Path('tools/train.py'), ('a.py',), processes=2).words()
    assert words[1:4] == ['-m', 'mmuda.utils.launch', '--standalone']
    assert words[-3:] == ['a.py', '--launcher', 'pytorch']
