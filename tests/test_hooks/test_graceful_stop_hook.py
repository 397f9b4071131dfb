import os
import signal
import subprocess
import sys
from pathlib import Path

import gloo
import pytest
from forked import forked
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from tiny_runs import equal, runner, weights

from mmuda.registry import HOOKS
from mmuda.utils.compat import load_checkpoint_file
from mmuda.utils.errors import ConfigError

TESTS = Path(__file__).parents[1]
SCRIPT = """
import sys
from tiny_runs import runner
from mmengine.hooks import Hook
from mmuda.registry import HOOKS

@HOOKS.register_module()
class SayHook(Hook):
    def after_train_iter(self, *args, **kwargs):
        print('iteration', flush=True)

if __name__ == '__main__':
    run = runner(sys.argv[1], 10**6, ['GracefulStopHook', 'SayHook'],
                 workers=1)
    # Longer than its schedule, so at a rate that stays.
    run.param_schedulers = []
    run.train()
    print('stopped after', run.iter, flush=True)
"""


@HOOKS.register_module()
class SignalHook(Hook):
    """Sends signals to its own process in given iterations."""

    def __init__(self, iterations, number=signal.SIGTERM, rank=0):
        self.iterations, self.number, self.rank = iterations, number, rank

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ):
        if runner.iter + 1 in self.iterations and get_rank() == self.rank:
            os.kill(os.getpid(), self.number)


def stopped(folder, at, length=6, options=None, **kwargs):
    """A run that gets SIGTERM in the given iterations."""
    run = runner(
        folder,
        length,
        hooks=[
            dict(type='SignalHook', iterations=at),
            dict(type='GracefulStopHook', **(options or {})),
        ],
        **kwargs,
    )
    run.train()
    return run


def stop_hook(run):
    return next(h for h in run.hooks if hasattr(h, 'received_signal'))


def names(folder):
    return sorted(path.name for path in Path(folder).glob('*.pth'))


def test_checkpoint_of_the_iteration_with_the_signal(tmp_path):
    stopped(tmp_path, [2])
    assert names(tmp_path) == ['iter_2.pth']
    assert load_checkpoint_file(tmp_path / 'iter_2.pth')['meta']['iter'] == 2


def test_last_checkpoint_names_it(tmp_path):
    stopped(tmp_path, [2])
    assert (tmp_path / 'last_checkpoint').read_text().endswith('iter_2.pth')


def test_received_signal(tmp_path):
    run = stopped(tmp_path, [1])
    assert stop_hook(run).received_signal == signal.SIGTERM


def test_no_signal_no_stop(tmp_path):
    run = stopped(tmp_path, [], length=2)
    assert stop_hook(run).received_signal is None
    assert run.iter == 2


def test_mmengines_loop_stops_as_well(tmp_path):
    run = stopped(tmp_path, [2], loop='IterBasedTrainLoop')
    assert run.iter == 2


def test_no_validation_after_the_stop(tmp_path):
    run = stopped(tmp_path, [2], val_interval=2)
    assert 'val/mIoU' not in run.message_hub.log_scalars


def test_stop_waits_for_accumulated_gradients(tmp_path):
    stopped(tmp_path, [1], accumulate=3)
    assert names(tmp_path) == ['iter_3.pth']


def test_stopped_run_resumes_exactly(tmp_path):
    stopped(tmp_path / 'parts', [2], length=4)
    second = runner(tmp_path / 'parts', 4, resume=True)
    second.train()
    whole = runner(tmp_path / 'whole', 4)
    whole.train()
    assert equal(weights(whole), weights(second))


def test_second_signal_interrupts(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        stopped(tmp_path, [1, 2], accumulate=4, options=dict(repeat_seconds=0))
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_repeated_signal_of_a_launcher_is_one_signal(tmp_path):
    stopped(tmp_path, [1, 2], accumulate=4)
    assert names(tmp_path) == ['iter_4.pth']


def test_previous_handlers_are_restored(tmp_path):
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    stopped(tmp_path, [1])
    after = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    assert after == before


@pytest.mark.parametrize('ignored', [False, True])
def test_closed_terminal_unless_nohup(tmp_path, ignored):
    def train(tell):
        if ignored:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        run = runner(
            tmp_path,
            4,
            hooks=[
                dict(type='SignalHook', iterations=[2], number=signal.SIGHUP),
                'GracefulStopHook',
            ],
        )
        run.train()
        tell(run.iter)

    with forked(train) as (_, iterations):
        assert iterations == (4 if ignored else 2)
    assert names(tmp_path) == [f'iter_{iterations}.pth']


def test_unknown_signal(tmp_path):
    with pytest.raises(ConfigError, match='SIGNONE'):
        runner(
            tmp_path,
            hooks=[dict(type='GracefulStopHook', signals=['SIGNONE'])],
        )


def test_other_checkpoint_hook_is_refused(tmp_path):
    run = runner(tmp_path, hooks=['GracefulStopHook'])
    run._hooks = [h for h in run.hooks if not hasattr(h, 'save_now')]
    with pytest.raises(ConfigError, match='UDACheckpointHook'):
        run.train()


def stop_one_of_two(folder):
    run = runner(
        folder,
        8,
        hooks=[
            dict(type='SignalHook', iterations=[3], rank=1),
            dict(type='GracefulStopHook', sync_interval=2),
        ],
        launcher='pytorch',
    )
    run.train()
    return run.iter


def test_all_processes_stop_together(tmp_path):
    assert gloo.run(stop_one_of_two, tmp_path, tmp_path) == [4, 4]
    assert names(tmp_path) == ['iter_4.pth']


def test_signal_to_a_process_group_with_loader_processes(tmp_path):
    (tmp_path / 'script.py').write_text(SCRIPT)
    folders = [TESTS, TESTS / 'test_hooks', TESTS.parent]
    process = subprocess.Popen(
        [sys.executable, tmp_path / 'script.py', tmp_path / 'run'],
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(map(str, folders))},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        while process.stdout.readline() != 'iteration\n':
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGTERM)
        rest, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0
    last = int(rest.split('stopped after')[1])
    assert names(tmp_path / 'run') == [f'iter_{last}.pth']
