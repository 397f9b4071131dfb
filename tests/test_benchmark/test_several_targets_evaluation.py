from pathlib import Path

import pytest
from mmengine.runner import Runner

from benchmarks.data import make_data
from benchmarks.setting import scale_sizes
from benchmarks.several_targets_evaluation import (
    EvaluationCase,
    several_targets_evaluation_rows,
)
from mmuda.utils.config import load_config
from mmuda.utils.config_model import fill_model
from mmuda.utils.setup_env import register_all_modules

CONFIGS = Path(__file__).parents[2] / 'configs'


@pytest.fixture(scope='module')
def cfg(tmp_path_factory):
    register_all_modules()
    cfg = load_config(CONFIGS / 'advent' / 'minent_gta2cs.py')
    small = load_config(CONFIGS / '_base_/networks/deeplabv2_r18_small.py')
    cfg.model.segmentor = small.network.segmentor
    fill_model(cfg.model, num_classes=19, targets=[])
    scale_sizes(cfg, 0.07)
    make_data(cfg, tmp_path_factory.mktemp('data'), images=2, factor=0.07)
    return cfg


@pytest.fixture(scope='module')
def case(cfg, tmp_path_factory):
    return EvaluationCase(cfg, tmp_path_factory.mktemp('runs'), images=2)


@pytest.fixture
def calls(monkeypatch):
    """Names of the runner's methods that are called."""
    names = []

    def watch(name):
        method = getattr(Runner, name)

        def watched(self, *args, **kwargs):
            names.append(name)
            return method(self, *args, **kwargs)

        monkeypatch.setattr(Runner, name, watched)

    for name in ('build_model', 'load_checkpoint'):
        watch(name)
    return names


def test_several_targets_share_one_model_and_load(case, calls):
    case.test(['rome', 'oslo', 'lima'])
    assert calls == ['build_model', 'load_checkpoint']


def test_each_target_is_tested(case):
    metrics = case.test(['rome', 'oslo'])
    assert {'rome/mIoU', 'oslo/mIoU', 'mean/mIoU'} <= set(metrics)


def test_a_run_for_one_target_gives_what_one_for_several_does(case):
    several, one = case.test(['rome', 'oslo']), case.test(['oslo'])
    assert one['oslo/mIoU'] == several['oslo/mIoU']


def test_the_largest_number_of_targets_is_measured(cfg, tmp_path):
    (row,) = several_targets_evaluation_rows(
        cfg, tmp_path, (1, 2), images=1, rounds=1, warmup=0
    )
    assert row.name == '2 targets of 1 images: one run / 2 runs'


def test_the_config_stays_as_it_is(cfg, tmp_path):
    before = cfg.to_dict()
    EvaluationCase(cfg, tmp_path, images=1)
    assert cfg.to_dict() == before
