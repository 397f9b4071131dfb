"""Each demo config with three targets trains and is tested on toy data."""

import pytest
from demo_data import ROOT
from mmengine.config import Config
from several_target_tools import call

from mmuda.utils.compat import load_checkpoint_file
from street_scenes import (
    write_cityscapes,
    write_gta5,
    write_idd,
    write_mapillary,
)

DEMO = ROOT / 'configs' / 'demo'
WARM_UP = 'warm_up_g2cmi'
# Those that continue the warm-up come after it.
LEAVES = sorted(
    (path.stem for path in DEMO.glob('*_g2cmi.py')),
    key=lambda name: (name != WARM_UP, name),
)
TARGETS = dict(cityscapes='Cityscapes', mapillary='Mapillary', idd='IDD')
SHORT = {
    'train_cfg.max_iters': 2,
    'train_cfg.val_interval': 2,
    'default_hooks.checkpoint.interval': 2,
    'default_hooks.logger.interval': 1,
}
# All parts of a method take part in the second iteration.
LABELLED = {
    'default_hooks.consistency.refresh.interval': 1,
    'default_hooks.consistency.refresh.end': 1,
}
CHANGES = dict(
    baseline={'model.warmup_iters': 1},
    ccl={'model.warmup_iters': 1},
    coast=LABELLED,
    mlcl=LABELLED,
    mtkt={
        'model.warmup_iters': 1,
        'default_hooks.consistency.distillation_begin': 1,
    },
    multi_dis={'model.warmup_iters': 1},
    warm_up={'model.warmup_iters': 1},
)


@pytest.fixture(scope='module')
def roots(tmp_path_factory):
    """Words that let a tool read toy GTA5, Cityscapes, Vistas and IDD."""
    root = tmp_path_factory.mktemp('toys')
    options = dict(size=(96, 64), progress=False)
    counts = dict(train=3, val=2)
    write_gta5(root / 'GTA5', 3, **options)
    write_cityscapes(root / 'Cityscapes', counts, **options)
    write_mapillary(root / 'Mapillary', counts, **options)
    write_idd(root / 'IDD', counts, **options)
    folders = dict(source='GTA5', **TARGETS)
    places = (f'{name}={root / folder}' for name, folder in folders.items())
    return ['--data-root', *places]


@pytest.fixture(scope='module')
def work_dir(tmp_path_factory):
    """Folder in which each config has one of its own."""
    return tmp_path_factory.mktemp('runs')


def checkpoint_of(leaf, work_dir, roots):
    """Train two iterations, unless that is done, and return the result."""
    file = work_dir / leaf / 'iter_2.pth'
    if not file.is_file():
        path = DEMO / f'{leaf}.py'
        options = SHORT | CHANGES[leaf.removesuffix('_g2cmi')]
        if Config.fromfile(path).load_from:
            start = checkpoint_of(WARM_UP, work_dir, roots)
            options['load_from'] = start
        words = [path, '--work-dir', file.parent, *roots]
        call('train.py', words, options)
    return file


@pytest.mark.slow
@pytest.mark.parametrize('leaf', LEAVES)
def test_training_takes_two_iterations(leaf, work_dir, roots):
    file = checkpoint_of(leaf, work_dir, roots)
    assert load_checkpoint_file(str(file))['meta']['iter'] == 2


@pytest.mark.slow
@pytest.mark.parametrize('leaf', LEAVES)
def test_all_targets_are_tested(leaf, work_dir, roots, tmp_path):
    file = checkpoint_of(leaf, work_dir, roots)
    words = [DEMO / f'{leaf}.py', file, '--work-dir', tmp_path, *roots]
    call('test.py', words)
    (log,) = tmp_path.rglob('*.log')
    for name in (*TARGETS, 'mean'):
        assert f'{name}/mIoU: ' in log.read_text()


@pytest.mark.slow
@pytest.mark.parametrize('leaf', ['coast_g2cmi', 'mlcl_g2cmi'])
@pytest.mark.parametrize('target', TARGETS)
def test_each_target_is_labelled_twice(leaf, target, work_dir, roots):
    labels = checkpoint_of(leaf, work_dir, roots).parent / 'pseudo_labels'
    # The first round is removed: no checkpoint is from before the second.
    (folder,) = (labels / target).glob('iter_*')
    assert folder.name == 'iter_00000001'
    assert len(list(folder.rglob('*.npz'))) == 3
