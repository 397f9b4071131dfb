"""Each method's demo with three targets trains and is tested on toy data."""

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
    advent={'model.warmup_iters': 1},
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
# Those that continue the warm-up come after it.
METHODS = ('warm_up', *sorted({*CHANGES} - {'warm_up'}))


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


def leaf_of(method):
    """The arguments that choose it with three targets."""
    return [DEMO / f'demo_{method}_g2ci.py', '--setting', 'g2cmi']


def checkpoint_of(method, work_dir, roots):
    """Train two iterations, unless that is done, and return the result."""
    file = work_dir / method / 'iter_2.pth'
    if not file.is_file():
        leaf = leaf_of(method)
        options = SHORT | CHANGES[method]
        if Config.fromfile(leaf[0]).load_from:
            start = checkpoint_of('warm_up', work_dir, roots)
            options['load_from'] = start
        words = [*leaf, '--work-dir', file.parent, *roots]
        call('train.py', words, options)
    return file


@pytest.mark.slow
@pytest.mark.parametrize('method', METHODS)
def test_training_takes_two_iterations(method, work_dir, roots):
    file = checkpoint_of(method, work_dir, roots)
    assert load_checkpoint_file(str(file))['meta']['iter'] == 2


@pytest.mark.slow
@pytest.mark.parametrize('method', METHODS)
def test_all_targets_are_tested(method, work_dir, roots, tmp_path):
    file = checkpoint_of(method, work_dir, roots)
    words = [*leaf_of(method), file, '--work-dir', tmp_path, *roots]
    call('test.py', words)
    (log,) = tmp_path.rglob('*.log')
    for name in (*TARGETS, 'mean'):
        assert f'{name}/mIoU: ' in log.read_text()


@pytest.mark.slow
@pytest.mark.parametrize('method', ['coast', 'mlcl'])
@pytest.mark.parametrize('target', TARGETS)
def test_each_target_is_labelled_twice(method, target, work_dir, roots):
    labels = checkpoint_of(method, work_dir, roots).parent / 'pseudo_labels'
    # The first round is removed: no checkpoint is from before the second.
    (folder,) = (labels / target).glob('iter_*')
    assert folder.name == 'iter_00000001'
    assert len(list(folder.rglob('*.npz'))) == 3
