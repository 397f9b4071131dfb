"""report.html at the end of a training, and of the tool afterwards."""

import json
import re
from pathlib import Path

from mmengine.visualization import LocalVisBackend, Visualizer
from tiny_runs import runner
from tools_in_process import load_tool, run_loaded

PICTURES = dict(type='DomainVisualizationHook', interval=2)


def train(work_dir, iterations, logged_every=1, **kwargs):
    """A run that logs iterations into a folder as a config's would."""
    run = runner(
        work_dir,
        iterations,
        ['RunReportHook', PICTURES],
        dict(interval=1),
        val_interval=2,
        **kwargs,
    )
    backend = LocalVisBackend(save_dir=f'{run.log_dir}/vis_data')
    run.visualizer = Visualizer.get_instance(
        f'{work_dir}{run.timestamp}{iterations}', vis_backends=[backend]
    )
    for hook in run.hooks:
        if type(hook).__name__ == 'LoggerHook':
            hook.interval = logged_every
    run.train()
    return run


def text_of(work_dir):
    """What a page says, without its pictures."""
    page = (work_dir / 'report.html').read_text()
    return re.sub('data:[^"]*', '', page)


def test_a_training_ends_with_a_page_and_the_tool_writes_the_same(
    tmp_path, monkeypatch, capsys
):
    run = train(tmp_path, 2)
    first = text_of(tmp_path)
    assert '<td>seed</td><td>7</td>' in first
    assert '<td>iterations</td><td>2</td>' in first
    assert f'<td>{run.timestamp}</td>' in first
    assert 'iteration 2<' in first
    (tmp_path / 'report.html').unlink()
    tool = load_tool('analysis_tools/report.py')
    code, printed = run_loaded(tool, [tmp_path], monkeypatch, capsys)
    assert (code, printed) == (0, f'report: {tmp_path}/report.html\n')
    assert text_of(tmp_path) == first


def test_a_training_shorter_than_the_interval_logs_its_end(tmp_path):
    train(tmp_path, 3, logged_every=50)
    assert '<td>iterations</td><td>3</td>' in text_of(tmp_path)


def test_versions_are_those_of_the_run(tmp_path):
    run = train(tmp_path, 1)
    (file,) = tmp_path.glob('*/vis_data/environment.json')
    content = json.loads(file.read_text())
    assert content['seed'] == run.seed
    assert content['continues_from'] == 0
    content['versions']['torch'] = '0.1'
    file.write_text(json.dumps(content))
    tool = load_tool('analysis_tools/report.py')
    tool['write_report'](tmp_path)
    assert 'torch 0.1' in text_of(tmp_path)


def test_a_run_that_logs_nothing_ends_all_the_same(tmp_path):
    run = runner(tmp_path, 1, ['RunReportHook'])
    run.hooks[:] = [
        hook for hook in run.hooks if type(hook).__name__ != 'LoggerHook'
    ]
    run.train()
    assert not (tmp_path / 'report.html').exists()
    log = Path(run.log_dir, f'{run.timestamp}.log').read_text()
    # It is no fault of the user's, of which to warn.
    assert 'No report' not in log


def test_a_folder_that_is_none_of_a_training(tmp_path, monkeypatch, capsys):
    tool = load_tool('analysis_tools/report.py')
    code, printed = run_loaded(tool, [tmp_path], monkeypatch, capsys)
    assert code == 2
    assert f"'{tmp_path}' holds no log of a training" in printed


def test_a_page_that_cannot_be_made_is_a_warning(tmp_path):
    folder = tmp_path / '20200101_000000/vis_data'
    folder.mkdir(parents=True)
    # Larger than any float.
    record = dict(iter=0, step=0, loss=10**400)
    (folder / 'scalars.json').write_text(json.dumps(record))
    run = train(tmp_path, 1)
    assert run.iter == 1
    log = Path(run.log_dir, f'{run.timestamp}.log').read_text()
    assert 'No report: OverflowError: int too large' in log
