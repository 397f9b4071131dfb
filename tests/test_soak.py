"""A long training takes no more of anything at its end than at its start."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

import demo_data
import pytest
from demo_data import config
from forked import forked
from mmengine.hooks import Hook

from mmuda.registry import HOOKS
from mmuda.utils.cli import build_runner

pytestmark = pytest.mark.slow
ITERATIONS = 2000
OFTEN = 100


def resident(pid):
    """Memory of a process in MiB that it does not share."""
    fields = Path(f'/proc/{pid}/statm').read_text().split()
    pages = int(fields[1]) - int(fields[2])
    return pages * os.sysconf('SC_PAGE_SIZE') / 2**20


def descriptors():
    """Open files, without the shared memory of batches that are under way.

    These are more or fewer as the loader processes are ahead or behind.
    """
    folder = Path('/proc/self/fd')
    names = []
    for entry in folder.iterdir():
        with suppress(FileNotFoundError):  # that of the listing itself
            names.append(os.readlink(entry))
    return [name for name in names if not name.startswith('/dev/shm/torch_')]


def children(pid):
    return Path(f'/proc/{pid}/task/{pid}/children').read_text().split()


@HOOKS.register_module()
class MeasureHook(Hook):
    """Measures what the training takes."""

    priority = 'LOWEST'

    def __init__(self):
        self.rows = []

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ):
        if (runner.iter + 1) % OFTEN == 0:
            own = os.getpid()
            self.rows.append(
                dict(
                    memory=resident(own),
                    loader_memory=sum(map(resident, children(own))),
                    processes=len(children(own)),
                    descriptors=len(descriptors()),
                    shared=shutil.disk_usage('/dev/shm').used / 2**20,
                    files=sum(
                        len(names) for *_, names in os.walk(runner.work_dir)
                    ),
                )
            )


def train(tell, data, work_dir):
    cfg = config(data, work_dir)
    cfg.merge_from_dict(
        {
            'launcher': 'none',
            'log_level': 'WARNING',
            'train_cfg.max_iters': ITERATIONS,
            'train_cfg.val_interval': 2 * OFTEN,
            'train_dataloader.batch_size': 1,
            'train_dataloader.num_workers': 2,
            'train_dataloader.persistent_workers': True,
            'default_hooks.checkpoint.interval': OFTEN,
            'default_hooks.checkpoint.max_keep_ckpts': 2,
        }
    )
    # Longer than the demo, which would end at rate 0.
    cfg.param_scheduler[-1].end = ITERATIONS + 1
    for hook in cfg.custom_hooks:
        if hook.type in ('DomainVisualizationHook', 'TrainingCurveHook'):
            hook.interval = 5 * OFTEN
    cfg.custom_hooks.append(dict(type='MeasureHook'))
    run = build_runner(cfg)
    run.train()
    tell(next(h.rows for h in run.hooks if isinstance(h, MeasureHook)))


def test_nothing_grows(tmp_path):
    data = demo_data.write(tmp_path / 'data')
    with forked(train, data, tmp_path / 'run') as (_, rows):
        pass
    for row in rows[:: ITERATIONS // OFTEN // 5]:
        print({name: round(value, 1) for name, value in row.items()})
    # From when all has happened once: validation, drawing, checkpoints.
    first, last = rows[ITERATIONS // OFTEN // 4 :: len(rows)][0], rows[-1]
    print('last', {name: round(value, 1) for name, value in last.items()})
    assert last['processes'] == first['processes']
    assert last['descriptors'] <= first['descriptors']
    assert last['memory'] < first['memory'] + 16
    assert last['loader_memory'] < first['loader_memory'] + 16
    # Less than a batch.
    assert last['shared'] < first['shared'] + 0.1
    # Pictures of three more moments, each of two domains in two folders; old
    # checkpoints are gone.
    assert last['files'] <= first['files'] + 3 * 4
