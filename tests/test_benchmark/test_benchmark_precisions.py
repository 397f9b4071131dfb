import pytest
import torch
from mmengine.config import Config
from tiny_models import model_config, optim_config

from benchmarks.data import make_data
from benchmarks.precisions import (
    Variant,
    loader_config,
    precision_rows,
    run_until,
)
from benchmarks.setting import scale_sizes
from mmuda.utils.config import load_config

VARIANTS = (
    Variant('fp32'),
    Variant('bf16'),
    Variant('bf16', dict(backend='eager')),
)


@pytest.fixture
def cfg(tmp_path):
    """The data of ADVENT's setting at a twentieth of the size."""
    cfg = load_config('configs/advent/gta2cs.py', {})
    make_data(cfg, tmp_path, 2, 0.05)
    scale_sizes(cfg, 0.05)
    tiny = Config(dict(model=model_config(), optim_wrapper=optim_config()))
    # Classes of the data, and weights as in the config.
    for head in ('decode_head', 'auxiliary_head'):
        tiny.model.segmentor[head].num_classes = 19
    tiny.model.discriminator.in_channels = 19
    loader = cfg.train_dataloader
    loader.update(num_workers=0, persistent_workers=False, pin_memory=False)
    tiny.train_dataloader = loader
    return tiny


@pytest.mark.parametrize(
    'variants', [VARIANTS[:1], pytest.param(VARIANTS, marks=pytest.mark.slow)]
)
def test_each_method_has_rows_in_each_variant(cfg, variants):
    torch._dynamo.reset()
    rows = precision_rows(cfg, device='cpu', minutes=1e-6, variants=variants)
    assert [row.name for row in rows] == [
        f'{method} {variant.title}: {what}'
        for method in ('AdvEnt', 'MTKT')
        for variant in variants
        for what in ('iteration', 'peak of memory', 'waiting for data')
    ]
    assert [row.name for row in rows if row.value <= 0] == []
    assert {row.detail[:12] for row in rows[::3]} == {'3 iterations'}


def test_variants_are_told_apart():
    titles = [variant.title for variant in VARIANTS]
    assert titles == ['fp32', 'bf16', 'bf16 + compile']


def test_the_method_for_several_targets_loads_two(cfg):
    dataset = loader_config(cfg, 'MTKT').dataset
    assert list(dataset.targets) == ['target_1', 'target_2']
    assert 'target' not in dataset
    assert 'target' in loader_config(cfg, 'AdvEnt').dataset


def test_iterations_go_on_until_the_time_is_over():
    seen = []
    taken = run_until(0, seen.append, iter(range(9)), 'cpu')
    assert seen == [0, 1, 2, 3]
    assert len(taken.steps) == len(taken.waits) == 3
