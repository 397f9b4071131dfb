import json
import sys
from pathlib import Path

import pytest

from mmuda.cotraining.execution import Devices, Executor, visible_gpus
from mmuda.cotraining.stages import Stage
from mmuda.cotraining.state import ProcedureState
from mmuda.utils.child_processes import Command
from mmuda.utils.errors import ConfigError, DataError

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


@pytest.fixture
def executor(tmp_path):
    (tmp_path / 'tools').mkdir()
    (tmp_path / 'tools/tool.py').write_text(TOOL)
    return make_executor(tmp_path)


def make_executor(root, processes=1):
    lines = []
    executor = Executor(
        root / 'tools',
        ProcedureState(root),
        Devices(processes),
        {},
        lines.append,
    )
    object.__setattr__(executor, 'lines', lines)
    return executor


def make_stage(root, name, code=0, seconds=0.0, **options):
    result = root / name / 'result.txt'
    arguments = (str(result), str(code), str(seconds))
    return Stage(name, 'tool.py', arguments, result, **options)


def test_stage_leaves_its_result(executor, tmp_path):
    stage = make_stage(tmp_path, 'one')
    assert (executor.run((stage,)), stage.is_done) == (0, True)


def test_failed_stage_gives_its_code(executor, tmp_path):
    assert executor.run((make_stage(tmp_path, 'one', code=3),)) == 3


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
    stages = tuple(make_stage(tmp_path, n, seconds=2.0) for n in 'ab')
    make_executor(tmp_path, processes=2).run(stages)
    (_, first_end), (second_begin, _) = map(times, stages)
    assert second_begin < first_end


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


def test_state_tells_what_was_used(executor, tmp_path):
    keys = tmp_path / 'keys.txt'
    keys.write_text('a\nb\n')
    executor.run((make_stage(tmp_path, 'one', uses={'images': keys}),))
    state = json.loads((tmp_path / 'state.json').read_text())
    assert state['stages']['one']['uses']['images'] == {
        'file': 'keys.txt',
        'sha256': (
            '911169ddaaf146aff539f58c26c489af3b892dff0fe283c1c264c65ae5aa59a2'
        ),
        'images': 2,
    }


@pytest.mark.parametrize(('code', 'status'), [(0, 'done'), (3, 'stopped')])
def test_state_tells_how_a_stage_ended(executor, tmp_path, code, status):
    stage = make_stage(tmp_path, 'one', code)
    executor.run((stage,))
    assert ProcedureState(tmp_path).status(stage) == status


def test_times_of_several_runs_are_added(tmp_path):
    state, stage = ProcedureState(tmp_path), make_stage(tmp_path, 'one')
    for seconds in (2.0, 3.0):
        state.start(stage)
        state.stop(stage, 'stopped', seconds)
    assert state.seconds(stage) == 5.0


def test_lost_state_does_not_lose_work(tmp_path):
    stage = make_stage(tmp_path, 'one')
    stage.folder.mkdir()
    stage.result.touch()
    assert ProcedureState(tmp_path).status(stage) == 'done'


def test_result_of_a_killed_tool_is_noted(executor, tmp_path):
    """The stage had ended, but not the process that notes it."""
    stage = make_stage(tmp_path, 'one')
    stage.folder.mkdir()
    stage.result.touch()
    executor.state.start(stage)
    executor.run((stage,))
    entry = ProcedureState(tmp_path).stages['one']
    assert (entry['status'], 'result' in entry) == ('done', True)


def test_training_is_done_when_it_has_ended(executor, tmp_path):
    """Its last checkpoint is there before its last validation."""
    marker = tmp_path / 'one' / 'finished'
    stage = make_stage(tmp_path, 'one', marker=marker)
    stage.folder.mkdir()
    stage.result.touch()
    before = stage.is_done
    executor.run((stage,))
    assert (before, stage.is_done) == (False, True)


def test_missing_input_is_named(executor, tmp_path):
    uses = {'weights': [tmp_path / 'lost.pth']}
    with pytest.raises(ConfigError, match=r"one needs '.*lost.pth'; run the"):
        executor.run((make_stage(tmp_path, 'one', uses=uses),))


def test_damaged_state_is_named(tmp_path):
    (tmp_path / 'state.json').write_text('{')
    with pytest.raises(DataError, match=r'state.json.* is damaged; remove'):
        ProcedureState(tmp_path)


def test_python_is_the_one_that_runs():
    words = Command(Path('tools/train.py'), ('a.py',)).words()
    assert words == [sys.executable, 'tools/train.py', 'a.py']


def test_several_processes_are_launched():
    words = Command(Path('tools/train.py'), ('a.py',), processes=2).words()
    assert words[1:4] == ['-m', 'torch.distributed.run', '--standalone']
    assert words[-3:] == ['a.py', '--launcher', 'pytorch']
