"""Training on a disk that fills up, and what writers leave on it."""

import json
import resource

import demo_data
import numpy as np
import pytest
import torch
from demo_data import config
from forked import forked, on_full_disk
from mmengine.config import Config
from mmengine.hooks import Hook

from demo.demo_report import write_results
from mmuda.convert import write_checkpoint
from mmuda.datasets.class_statistics import ClassStatistics
from mmuda.datasets.pseudo_labels.soft_labels import write_soft_label
from mmuda.engine import WholeFilesVisBackend
from mmuda.evaluation.confusion_matrix import ConfusionMatrix
from mmuda.procedures.state import require_same_recipe
from mmuda.pseudo_labels.second_pass import Spool
from mmuda.registry import HOOKS
from mmuda.utils import files as log_files
from mmuda.utils.cli import build_runner
from mmuda.utils.errors import DiskFullError

CLASSES = tuple('abcde')


def statistics(folder):
    pixels = np.arange(5000).reshape(1000, 5)
    keys = tuple(f'image_{k}' for k in range(1000))
    stamps = (b'stamp',) * 1000
    ClassStatistics(CLASSES, keys, pixels, stamps).write(folder / 'a.npz')


def spool(folder):
    label = np.zeros((50, 50), dtype=np.uint8)
    Spool(folder).write('key', label, label.astype(np.uint16))


def picture(folder):
    image = np.random.default_rng(0).integers(0, 255, (50, 50, 3), np.uint8)
    WholeFilesVisBackend(str(folder)).add_image('image', image)


def saved_config(folder):
    cfg = Config(dict(values=list(range(2000))))
    WholeFilesVisBackend(str(folder)).add_config(cfg)


def confusion(folder):
    counts = np.full((20, 21), 7)
    names = tuple(f'class {k}' for k in range(20))
    ConfusionMatrix(names, counts).save(folder)


WRITERS = dict(
    checkpoint=lambda d: write_checkpoint(dict(a=torch.zeros(5000)), d / 'a'),
    class_statistics=statistics,
    config=saved_config,
    confusion_matrix=confusion,
    demo=lambda d: write_results(
        {
            'a' * 2000: dict(
                metrics={'IoU.road': 1.0}, seconds=1.0, iterations=[1]
            )
        },
        d,
    ),
    picture=picture,
    recipe=lambda d: require_same_recipe(d, dict(config='a' * 5000)),
    soft_label=lambda d: write_soft_label(d / 'a', np.ones((5, 9, 99)), None),
    spool=spool,
)


@pytest.mark.parametrize('name', WRITERS)
def test_no_half_file_and_one_line(tmp_path, name):
    folder = tmp_path / 'out'
    folder.mkdir()
    error = on_full_disk(WRITERS[name], folder)
    assert isinstance(error, DiskFullError)
    assert str(error).startswith(f"disk full: cannot write '{folder}")
    assert [p for p in folder.rglob('*') if p.is_file()] == []
    # The same succeeds where there is space.
    WRITERS[name](folder)


def test_whole_lines_of_scalars(tmp_path):
    backend = WholeFilesVisBackend(str(tmp_path))

    def write():
        for step in range(100):
            backend.add_scalars(dict(loss=0.5), step=step)

    assert isinstance(on_full_disk(write), OSError)
    lines = (tmp_path / 'scalars.json').read_text().splitlines()
    assert [json.loads(line)['step'] for line in lines] == [*range(len(lines))]
    assert len(lines) > 10


@HOOKS.register_module()
class SpaceHook(Hook):
    """Takes the space away, or gives it back, at the end of iterations."""

    def __init__(self, size):
        self.size = size

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ):
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (self.size, resource.RLIM_INFINITY)
        )


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return demo_data.write(tmp_path_factory.mktemp('full'))


def trained(data, work_dir, hooks=()):
    cfg = config(data, work_dir)
    cfg.launcher, cfg.experiment_name = 'none', work_dir.name
    for hook in cfg.custom_hooks:
        if 'interval' in hook:
            hook.interval = 1
    cfg.custom_hooks += list(hooks)
    runner = build_runner(cfg)
    runner.train()
    return runner


def test_training_goes_on_without_its_logs(data, tmp_path):
    whole = trained(data, tmp_path / 'whole')

    def train(tell):
        # All that logs comes before the checkpoints.
        hooks = [
            dict(type='SpaceHook', size=0, priority=0),
            dict(type='SpaceHook', size=2**40, priority=80),
        ]
        run = trained(data, tmp_path / 'full', hooks)
        weights = {k: v.numpy() for k, v in run.model.state_dict().items()}
        tell((log_files._told, weights))

    with forked(train) as (_, (told, weights)):
        assert told == {'File too large'}
    for name, value in whole.model.state_dict().items():
        assert np.array_equal(weights[name], value.numpy()), name
    assert (tmp_path / 'full/iter_4.pth').is_file()
    assert not (tmp_path / 'full/vis_data/domains').exists() or not list(
        (tmp_path / 'full/vis_data/domains').iterdir()
    )


def test_checkpoint_that_does_not_fit_leaves_the_one_before(data, tmp_path):
    def train(tell):
        hooks = [dict(type='SpaceHook', size=2**14, priority=80)]
        try:
            trained(data, tmp_path, hooks)
        except DiskFullError as error:
            tell(str(error))

    (tmp_path / 'iter_1.pth').touch()
    with forked(train) as (_, message):
        assert 'disk full: cannot write' in message
        assert 'iter_2.pth' in message
    files = {path.name for path in tmp_path.glob('*')}
    assert 'iter_1.pth' in files
    assert [f for f in files if f.startswith('.') or 'iter_2' in f] == []
