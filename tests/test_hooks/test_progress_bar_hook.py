import sys

from tiny_runs import runner


def force(value=True):
    return [dict(type='ProgressBarHook', force=value)]


def streams(run):
    """What the log lines of a run are written to."""
    return [getattr(h, 'stream', None) for h in run.logger.handlers]


def test_bar_shows_iterations_and_losses(tmp_path, capsys):
    runner(tmp_path, 3, force()).train()
    shown = capsys.readouterr().out
    assert '3/3' in shown
    assert 'loss.segmentor' in shown.replace('\n', '')


def test_nothing_is_shown_without_a_terminal(tmp_path, capsys):
    runner(tmp_path, 2, force(False)).train()
    assert '2/2' not in capsys.readouterr().out


def test_resumed_bar_starts_where_training_does(tmp_path, capsys):
    runner(tmp_path, 2).train()
    runner(tmp_path, 3, force(), resume=True).train()
    shown = capsys.readouterr().out
    assert '3/3' in shown
    assert '1/3' not in shown


def test_output_stream_is_restored(tmp_path):
    before = sys.stdout
    run = runner(tmp_path, 1, force())
    run.train()
    assert sys.stdout is before
    assert before in streams(run)


def test_log_lines_pass_through_the_bar(tmp_path):
    run = runner(tmp_path, 1, force())
    hook = next(h for h in run.hooks if hasattr(h, 'force'))
    before = sys.stdout
    hook.before_train(run)
    try:
        assert sys.stdout is not before
        assert sys.stdout in streams(run)
    finally:
        hook.after_train(run)


def test_end_without_a_start(tmp_path):
    run = runner(tmp_path, 1, force(False))
    hook = next(h for h in run.hooks if hasattr(h, 'force'))
    hook.after_train(run)
    assert sys.stdout in streams(run)
