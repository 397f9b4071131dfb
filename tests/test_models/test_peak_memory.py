"""Only one domain's graph may be alive at a time."""

import demo_data
import pytest
from mmengine.config import Config

from benchmarks.training import memory_rows
from benchmarks.training_case import TrainingCase
from mmuda.utils.setup_env import register_all_modules


@pytest.fixture(scope='module')
def ratios():
    """Peaks over that of the larger single domain, on DeepLab-V2."""
    register_all_modules()
    configs = demo_data.ROOT / 'configs'
    cfg = Config.fromfile(configs / 'advent' / 'gta2cs.py')
    cfg.model.segmentor.backbone.init_cfg = None
    cfg.model.segmentor.backbone.stage_blocks = (1, 1, 3, 1)
    dataset = cfg.train_dataloader.dataset
    for domain in (dataset.source, dataset.target):
        for transform in domain.pipeline:
            if transform.type == 'Resize':
                transform.scale = (256, 128)
    return {row.name: row.value for row in memory_rows(TrainingCase(cfg))}


@pytest.mark.parametrize('method', ['AdvEnt', 'MinEnt'])
def test_a_step_needs_hardly_more_than_its_larger_domain(ratios, method):
    assert ratios[f'{method} step / larger single domain'] <= 1.05


@pytest.mark.parametrize('method', ['AdvEnt', 'MinEnt'])
def test_one_joint_backward_would_need_much_more(ratios, method):
    """Shows that the measurement can tell the difference."""
    name = f'{method} by one joint backward / larger single domain'
    assert ratios[name] > 1.3
