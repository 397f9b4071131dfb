"""Demo configs with several targets, and what they do on toy data."""

import sys
from pathlib import Path

import pytest
import warm_processes
from demo_data import ENVIRONMENT, ROOT
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from mmuda.registry import MODELS
from mmuda.utils.config import load_config
from mmuda.utils.config_keys import check_config_keys
from street_scenes import (
    write_cityscapes,
    write_gta5,
    write_idd,
)

DEMO = ROOT / 'configs' / 'demo'
LEAVES = sorted(path.name for path in DEMO.glob('*_g2c*.py'))
METHODS = ('advent', 'multi_dis', 'mtkt', 'ccl', 'coast', 'mlcl', 'warm_up')
TARGETS = dict(
    g2ci=['cityscapes', 'idd'],
    g2cmi=['cityscapes', 'mapillary', 'idd'],
)


def load(leaf):
    return Config.fromfile(DEMO / leaf)


def targets_of(leaf):
    return TARGETS[Path(leaf).stem.removesuffix('_19').split('_')[-1]]


@pytest.mark.parametrize('method', METHODS)
def test_each_method_has_two_and_three_targets(method):
    assert f'demo_{method}_g2ci.py' in LEAVES
    path = DEMO / f'demo_{method}_g2ci.py'
    cfg = load_config(path, {'setting': 'g2cmi'})
    assert [*cfg.train_dataloader.dataset.targets] == TARGETS['g2cmi']
    datasets = [loader.dataset for loader in cfg.val_dataloader]
    assert all(d.data_root.startswith('data/demo/') for d in datasets)


@pytest.mark.parametrize('leaf', LEAVES)
def test_config_has_no_unknown_keys(leaf):
    check_config_keys(load(leaf))


@pytest.mark.parametrize('leaf', LEAVES)
def test_model_and_optimizers_build(leaf):
    cfg = load(leaf)
    build_optim_wrapper(MODELS.build(cfg.model), cfg.optim_wrapper)


@pytest.mark.parametrize('leaf', LEAVES)
def test_data_is_that_of_the_demo(leaf):
    cfg = load(leaf)
    train = cfg.train_dataloader.dataset
    assert list(train.targets) == targets_of(leaf)
    datasets = [train.source, *train.targets.values()]
    datasets += [loader.dataset for loader in cfg.val_dataloader]
    assert all(d.data_root.startswith('data/demo/') for d in datasets)


@pytest.mark.parametrize('leaf', LEAVES)
def test_each_target_is_validated_on_its_own_images(leaf):
    cfg = load(leaf)
    targets = cfg.train_dataloader.dataset.targets
    for name, loader in zip(targets_of(leaf), cfg.val_dataloader, strict=True):
        assert loader.dataset.data_root == targets[name].data_root


STAGES_OF = [*DEMO.glob('*.py'), *(ROOT / 'demo/configs').glob('demo_*.py')]


@pytest.mark.parametrize('leaf', sorted(STAGES_OF), ids=lambda path: path.stem)
def test_stages_continue_a_demo(leaf):
    cfg = Config.fromfile(leaf)
    if cfg.load_from:
        folder, file = Path(cfg.load_from).parts[-2:]
        setting = folder.split('_')[-1]
        first = Config.fromfile(DEMO / f'{folder}.py'.replace('cmi', 'ci'))
        assert setting in (cfg.setting, 'gta2cs')
        assert file == f'iter_{first.train_cfg.max_iters}.pth'


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Toy GTA5, Cityscapes and IDD."""
    root = tmp_path_factory.mktemp('toys')
    options = dict(size=(96, 64), progress=False)
    counts = dict(train=3, val=2)
    write_gta5(root / 'GTA5', 3, **options)
    write_cityscapes(root / 'Cityscapes', counts, **options)
    write_idd(root / 'IDD', counts, **options)
    return root


def roots(data):
    folders = dict(source='GTA5', cityscapes='Cityscapes', idd='IDD')
    return [
        '--data-root',
        *(f'{name}={data / folder}' for name, folder in folders.items()),
    ]


def run_tool(tool, *words):
    return warm_processes.run(
        [sys.executable, f'tools/{tool}', *words],
        cwd=ROOT,
        env=ENVIRONMENT,
        timeout=600,
    )


STAGES = [
    'train_cfg.max_iters=2',
    'train_cfg.val_interval=2',
    'default_hooks.checkpoint.interval=1',
]


@pytest.fixture(scope='module')
def trained(data, tmp_path_factory):
    """Both stages of MLCL by one command."""
    folder = tmp_path_factory.mktemp('mlcl')
    result = run_tool(
        'self_train.py',
        'configs/demo/demo_mlcl_g2ci.py',
        '--work-dir',
        str(folder),
        *roots(data),
        '--cfg-options',
        *STAGES,
        'default_hooks.consistency.refresh.interval=1',
        'default_hooks.consistency.refresh.end=1',
        'default_hooks.consistency.refresh.keep_rounds=-1',
        '--initial-cfg-options',
        *STAGES,
        'model.warmup_iters=1',
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return folder, result.stdout


def test_stages_show_few_lines_before_they_begin(trained):
    _, output = trained
    first, second = output.split('[2/2] round')
    for text, begin in ((first, 'Saving checkpoint'), (second, 'labelling:')):
        assert len(text[: text.index(begin)].splitlines()) <= 25
    assert 'Train MLCL' in second


def test_one_command_runs_both_stages(trained):
    folder, printed = trained
    assert '[1/2] first training' in printed
    assert '[2/2] round 1: training' in printed
    assert (folder / 'round_1/iter_2.pth').is_file()


def test_labels_of_each_target_are_made_in_each_round(trained):
    labels = trained[0] / 'round_1/pseudo_labels'
    for target in TARGETS['g2ci']:
        for name in ('iter_00000000', 'iter_00000001'):
            assert len(list((labels / target / name).rglob('*.npz'))) == 3


@pytest.mark.parametrize('head', ['agnostic', 'own', 'ensemble', 'idd'])
def test_each_head_can_be_tested(trained, data, tmp_path, head):
    result = run_tool(
        'test.py',
        'configs/demo/demo_mlcl_g2ci.py',
        str(trained[0] / 'round_1/iter_2.pth'),
        '--work-dir',
        str(tmp_path),
        *roots(data),
        '--head',
        head,
        '--protocol',
        'published',
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert 'mean/mIoU' in result.stdout + result.stderr
