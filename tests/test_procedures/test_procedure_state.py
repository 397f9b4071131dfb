import json
import shlex

import pytest
from cotraining_stages import make_stage, write_tool

from mmuda.procedures.state import ProcedureState
from mmuda.utils.errors import DataError


@pytest.fixture
def executor(tmp_path):
    return write_tool(tmp_path)


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


def test_command_of_the_state_can_be_pasted(executor, tmp_path):
    executor.run((make_stage(tmp_path / 'my images', 'one'),))
    command = ProcedureState(tmp_path).stages['one']['command']
    assert shlex.split(command)[1] == str(
        tmp_path / 'my images/one/result.txt'
    )


def test_damaged_state_is_named(tmp_path):
    (tmp_path / 'state.json').write_text('{')
    with pytest.raises(DataError, match=r'state.json.* is damaged.*; remove'):
        ProcedureState(tmp_path)


@pytest.mark.parametrize(
    ('content', 'fault'),
    [
        ('{"stages": {"one": {"seconds": "long"}}}', r"one\.seconds='long'"),
        ('{"stages": {"one": {"seconds": -1}}}', r'one\.seconds=-1: must be'),
        ('{"stages": {"one": {"status": "gone"}}}', r"one\.status='gone'"),
        ('{"stages": [1]}', r'stages=\[1\]: must be'),
        ('{"stages": {}, "stages": {}}', "'stages' occurs twice"),
    ],
)
def test_state_that_no_run_wrote_is_named(tmp_path, content, fault):
    (tmp_path / 'state.json').write_text(content)
    with pytest.raises(DataError, match=rf'state\.json.*{fault}.*; remove'):
        ProcedureState(tmp_path)


def test_state_of_before_formats_had_numbers_is_read(tmp_path):
    stages = {'one': {'status': 'done', 'seconds': 3.0}}
    (tmp_path / 'state.json').write_text(json.dumps({'stages': stages}))
    assert ProcedureState(tmp_path).stages == stages


def test_state_tells_its_format(executor, tmp_path):
    executor.run((make_stage(tmp_path, 'one'),))
    state = json.loads((tmp_path / 'state.json').read_text())
    assert state['format_version'] == 1


def test_state_of_a_later_format_is_refused(tmp_path):
    """What else is in it is not judged."""
    content = {'format_version': 2, 'mmuda_version': '9.1'}
    (tmp_path / 'state.json').write_text(json.dumps(content))
    with pytest.raises(DataError, match=r'state\.json.* has the format 2'):
        ProcedureState(tmp_path)
