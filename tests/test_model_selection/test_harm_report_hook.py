"""The report at the end of a training."""

import itertools
import json
import os
import shutil
from pathlib import Path

import gloo
import pytest
import torch
import torch.distributed as dist
from mmengine.dist import get_rank, is_main_process
from mmengine.hooks import Hook
from toy_pools import demo_pool

from mmuda.engine import UDARunner
from mmuda.model_selection.harm_report_hook import HarmReportHook
from mmuda.registry import HOOKS
from mmuda.utils.errors import CheckpointError, ConfigError


@pytest.fixture(scope='module')
def pool(tmp_path_factory):
    return demo_pool(tmp_path_factory.mktemp('hook'), 1)


def train(trained, work_dir, **changes):
    cfg = trained[0].copy()
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = work_dir.name
    hook = dict(
        type='HarmReportHook',
        source_only=trained[1][0],
        max_images=2,
        max_source_images=2,
    )
    cfg.custom_hooks = [*cfg.custom_hooks, dict(hook, **changes)]
    cfg.val_dataloader.dataset.indices = 1
    runner = UDARunner.from_cfg(cfg)
    runner.train()


def test_report_after_a_training(pool, tmp_path):
    train(pool, tmp_path)
    content = json.loads((tmp_path / 'harm_report.json').read_text())
    names = [row['name'] for row in content['scores']['checkpoints']]
    # the last one, source-only, and the one before the last
    assert len(names) == 3
    assert names[0].endswith('iter_4.pth')
    assert names[2].endswith('iter_2.pth')
    (log,) = tmp_path.glob('*/*.log')
    assert 'Harm report against' in log.read_text()


@pytest.mark.parametrize(
    ('thresholds', 'level'),
    [
        (dict(source_drop=1e-9, alarms=9), 'WARNING'),
        (dict(common_class=1.0, source_drop=1.0), 'INFO'),
    ],
    ids=['too few alarms for harm', 'none'],
)
def test_an_alarm_is_a_warning(pool, tmp_path, thresholds, level):
    cfg = pool[0].copy()
    cfg.harm_report = thresholds
    train((cfg, pool[1]), tmp_path)
    content = json.loads((tmp_path / 'harm_report.json').read_text())
    assert not content['harms']
    assert bool(content['alarms']) == (level == 'WARNING')
    (log,) = tmp_path.glob('*/*.log')
    assert f' {level} - Harm report against' in log.read_text()


def train_in_process(cfg, files, work_dir, **changes):
    """With statistics of the target, in one of several processes or alone."""
    cfg.launcher = 'pytorch' if dist.is_initialized() else 'none'
    cfg.model.norm_statistics = dict(mode='target', images=5, batch_size=2)
    train((cfg, files), Path(work_dir), **changes)


def test_one_of_several_processes_looks_and_measures_all(pool, tmp_path):
    folders = tmp_path / 'two', tmp_path / 'one'
    given = pool[0].copy(), pool[1], str(folders[0])
    gloo.run(train_in_process, tmp_path, *given)
    train_in_process(pool[0].copy(), pool[1], folders[1])
    found = []
    for folder in folders:
        content = json.loads((folder / 'harm_report.json').read_text())
        trained, source_only, _ = content['scores']['checkpoints']
        assert trained['scores']['BNM'] > 0
        found.append(source_only['scores'])
    # Its statistics are measured on five images, whatever the processes, but
    # for the agreement with the others, which differ.
    for scores in found:
        del scores['EnsV'], scores['EnsV_mIoU']
    assert found[0] == found[1]


@HOOKS.register_module()
class SpoilingHook(Hook):
    """Spoils a file of the main process while it trains."""

    def __init__(self, file):
        self.file = file

    def after_train(self, runner):
        if is_main_process():
            Path(self.file).write_bytes(b'cut')


def train_with_spoiled_file(cfg, files, folder):
    copy = f'{folder}/source_{get_rank()}.pth'
    shutil.copy(files[0], copy)
    cfg.custom_hooks.append(dict(type='SpoilingHook', file=copy))
    train_in_process(cfg, files, f'{folder}/run', source_only=copy)
    return True


def test_what_one_process_alone_cannot_read_holds_up_none(pool, tmp_path):
    given = pool[0].copy(), pool[1], str(tmp_path)
    assert gloo.run(train_with_spoiled_file, tmp_path, *given) == [True, True]
    (log,) = tmp_path.glob('run/*/*.log')
    assert 'No harm report: ' in log.read_text()
    assert not (tmp_path / 'run/harm_report.json').exists()


def train_in_own_folder(cfg, files, folder):
    """As on nodes that share neither work directories nor homes."""
    work_dir = f'{folder}/{get_rank()}'
    os.environ['HOME'] = f'{work_dir}/home'
    given = dict(source_only='~/source.pth', pool=['~/other.pth'])
    train_in_process(cfg, files, work_dir, **given)


def test_the_main_process_says_which_checkpoints_are_judged(pool, tmp_path):
    for rank, name in itertools.product('01', ('source.pth', 'other.pth')):
        file = tmp_path / rank / 'home' / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        if rank == '0':
            shutil.copy(pool[1][0], file)
    # The other process has saved nothing in its folder, and can't read what
    # its home holds.
    gloo.run(train_in_own_folder, tmp_path, pool[0].copy(), pool[1], tmp_path)
    assert not (tmp_path / '1' / 'last_checkpoint').exists()
    content = json.loads((tmp_path / '0' / 'harm_report.json').read_text())
    names = [row['name'] for row in content['scores']['checkpoints']]
    assert [name.rpartition('/')[2] for name in names] == [
        *('iter_4.pth', 'source.pth', 'iter_2.pth', 'other.pth')
    ]


def test_images_that_are_not_there_are_told_before_training(pool, tmp_path):
    with pytest.raises(ConfigError, match=r'HarmReportHook: .*rome'):
        train(pool, tmp_path, domain='rome')
    assert not list(tmp_path.glob('iter_*.pth'))


def test_other_classes_are_told_before_training(pool, tmp_path):
    content = torch.load(pool[1][0], weights_only=False)
    meta = content['meta']['dataset_meta']
    first, second, *others = meta['classes']
    meta['classes'] = (second, first, *others)
    torch.save(content, tmp_path / 'other.pth')
    given = dict(source_only=str(tmp_path / 'other.pth'))
    with pytest.raises(CheckpointError, match='classes in another order'):
        train(pool, tmp_path, **given)
    assert not list(tmp_path.glob('iter_*.pth'))


def test_how_many_images_the_hook_takes(pool):
    with pytest.raises(ConfigError, match=r'HarmReportHook\.max_images=-1'):
        HarmReportHook(pool[1][0], max_images=-1)
    found = HarmReportHook(pool[1][0], max_images=0, max_source_images=3)
    # All, as of the tools.
    assert found.sampling.target_count is None
    assert found.sampling.source_count == 3


def test_files_below_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    (tmp_path / 'source.pth').touch()
    hook = HarmReportHook('~/source.pth', pool=['~/source.pth'])
    file = str(tmp_path / 'source.pth')
    assert [hook.source_only, *hook.pool] == [file] * 2
    assert HarmReportHook('~/source.pth').pool is None
    with pytest.raises(ConfigError, match="there is no '~/nowhere.pth'"):
        HarmReportHook('~/source.pth', pool=['~/nowhere.pth'])


def test_wrong_options_of_the_hook(pool):
    with pytest.raises(ConfigError, match="there is no 'nowhere.pth'"):
        HarmReportHook('nowhere.pth')
    with pytest.raises(ConfigError, match="must be 'train' or 'val'"):
        HarmReportHook(pool[1][0], images='test')
