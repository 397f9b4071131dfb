"""The report at the end of a training."""

import copy
import itertools
import json
import os
import shutil
import uuid
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


def train_by_default(pool, work_dir, hooks=(), **changes):
    """A training whose config names no source-only."""
    cfg = copy.deepcopy(pool[0])
    cfg.work_dir, cfg.experiment_name = str(work_dir), uuid.uuid4().hex
    (harm,) = (h for h in cfg.custom_hooks if h.type == 'HarmReportHook')
    harm.update(max_images=2, max_source_images=2)
    cfg.custom_hooks = [*cfg.custom_hooks, *hooks]
    cfg.val_dataloader.dataset.indices = 1
    cfg.default_hooks.checkpoint.max_keep_ckpts = 1
    cfg.merge_from_dict(changes)
    UDARunner.from_cfg(cfg).train()


def judged(work_dir, name='harm_report.json'):
    """Names of the checkpoints that a report has compared."""
    if not (work_dir / name).exists():
        return None
    content = json.loads((work_dir / name).read_text())
    rows = content['scores']['checkpoints']
    return [row['name'].rpartition('/')[2] for row in rows]


def with_training(file, target, kind, iteration, steps=0):
    """A checkpoint that says which training it is of."""
    content = torch.load(file, weights_only=False)
    text = f"model = dict(type='{kind}', warmup_iters={steps})"
    content['meta'] |= dict(cfg=text, iter=iteration)
    torch.save(content, target)
    return str(target)


@pytest.mark.parametrize(
    ('kind', 'iteration', 'steps', 'is_judged'),
    [
        ('SourceOnly', 7, 0, True),
        ('MinEnt', 5, 5, True),
        ('MinEnt', 6, 5, False),
        ('MinEnt', 0, 0, False),
    ],
    ids=['source only', 'within its warm-up', 'adapted', 'of no iteration'],
)
def test_by_default_with_the_source_only_that_it_began_with(
    pool, tmp_path, kind, iteration, steps, is_judged
):
    given = pool[1][0], tmp_path / 'start.pth', kind, iteration, steps
    start = with_training(*given)
    train_by_default(pool, tmp_path / 'run', load_from=start)
    found = judged(tmp_path / 'run')
    assert found == (['iter_4.pth', 'start.pth'] if is_judged else None)


def test_of_other_classes_it_trains_without_a_report(pool, tmp_path):
    start = with_training(pool[1][0], tmp_path / 'a.pth', 'SourceOnly', 7)
    content = torch.load(start, weights_only=False)
    content['meta']['dataset_meta']['classes'] = ('road', 'rest')
    for name, value in content['state_dict'].items():
        if '.conv_seg.' in name:
            content['state_dict'][name] = value[:2]
    torch.save(content, start)
    hook = {'default_hooks.checkpoint.new_parts': ['heads']}
    train_by_default(pool, tmp_path / 'run', load_from=start, **hook)
    assert judged(tmp_path / 'run') is None
    (log,) = tmp_path.glob('run/*/*.log')
    assert 'There will be no harm report: ' in log.read_text()


def test_by_default_with_the_end_of_its_own_warm_up(pool, tmp_path):
    steps = {
        'model.warmup_iters': 3,
        'train_cfg.max_iters': 6,
        'default_hooks.checkpoint.interval': 2,
    }
    train_by_default(pool, tmp_path, **steps)
    # The one of two iterations is kept beside the last.
    files = {file.name for file in tmp_path.glob('iter_*.pth')}
    assert files == {'iter_2.pth', 'iter_6.pth'}
    assert judged(tmp_path) == ['iter_6.pth', 'iter_2.pth']


@pytest.mark.parametrize(
    'changes',
    [
        {'model.warmup_iters': 1},
        {'model.warmup_iters': 4},
        {'model.warmup_iters': 2, 'default_hooks.checkpoint.interval': -1},
    ],
    ids=['no checkpoint in it', 'nothing else', 'no checkpoints'],
)
def test_nothing_to_compare_with_is_no_report(pool, tmp_path, changes):
    train_by_default(pool, tmp_path, **changes)
    assert judged(tmp_path) is None
    (log,) = tmp_path.glob('*/*.log')
    assert 'harm report' not in log.read_text().lower()


def test_a_resumed_training_remembers_what_it_began_with(pool, tmp_path):
    given = pool[1][0], tmp_path / 'start.pth', 'SourceOnly', 7
    run, start = tmp_path / 'run', with_training(*given)
    train_by_default(pool, run, load_from=start, **{'train_cfg.max_iters': 2})
    (run / 'harm_report.json').unlink()
    train_by_default(pool, run, load_from=f'{run}/iter_2.pth', resume=True)
    assert judged(run) == ['iter_4.pth', 'start.pth']


def test_one_that_is_named_takes_the_place_of_the_default(pool, tmp_path):
    named = dict(
        type='HarmReportHook',
        source_only=pool[1][0],
        max_images=1,
        max_source_images=1,
    )
    given = pool[1][0], tmp_path / 'start.pth', 'SourceOnly', 7
    start = with_training(*given)
    train_by_default(pool, tmp_path / 'run', [named], load_from=start)
    assert judged(tmp_path / 'run') == ['iter_4.pth', 'iter_1.pth']
    (log,) = tmp_path.glob('run/*/*.log')
    assert log.read_text().count('Harm report against') == 1


def test_of_several_targets_each_has_a_report(pool, tmp_path):
    cfg = copy.deepcopy(pool[0])
    data = cfg.train_dataloader.dataset
    target = data.pop('target')
    data.targets = dict(north=target, south=target)
    given = pool[1][0], tmp_path / 'start.pth', 'SourceOnly', 7
    start = with_training(*given)
    train_by_default((cfg, pool[1]), tmp_path / 'run', load_from=start)
    for name in ('north', 'south'):
        found = judged(tmp_path / 'run', f'harm_report_{name}.json')
        assert found == ['iter_4.pth', 'start.pth']
    assert judged(tmp_path / 'run') is None
    page = (tmp_path / 'run/report.html').read_text()
    assert page.index('<h3>north</h3>') < page.index('<h3>south</h3>')


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
    with pytest.raises(ConfigError, match='source_only, which is not given'):
        HarmReportHook(source_only_config='source_only.py')
