"""Optimiser and schedule of DAFormer's configs, by the published numbers."""

from pathlib import Path

import modern_goldens
import numpy as np
import pytest
import torch
from golden_inputs import modern_file
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS
from modern_steps import Replay

from mmuda.convert.from_daformer import tensors_from_published

SCHEDULE = Path(__file__).parents[2] / 'configs/_base_/schedules/daformer.py'
# Of the published formula, which subtracts 1 - 1e-6 from 1.
ROUNDING = 6e-4 * 2.0**-52


@pytest.fixture(scope='module')
def config():
    return Config.fromfile(SCHEDULE)


def test_rates_equal_goldens(config):
    goldens = modern_goldens.load('lr')
    parameters = [
        dict(params=[torch.nn.Parameter(torch.zeros(1))], lr=rate)
        for rate in (6e-5, 6e-4)
    ]
    optimizer = torch.optim.SGD(parameters)
    schedulers = [
        PARAM_SCHEDULERS.build(dict(part, optimizer=optimizer))
        for part in config.param_scheduler
    ]
    optimizer.step()
    wanted = dict(
        zip(goldens['iteration'].tolist(), goldens['lr'], strict=True)
    )
    for iteration in range(config.train_cfg.max_iters):
        if iteration in wanted:
            found = [group['lr'] for group in optimizer.param_groups]
            assert found == pytest.approx(
                wanted[iteration].tolist(), rel=1e-12, abs=ROUNDING
            )
        for scheduler in schedulers:
            scheduler.step()


@pytest.mark.parametrize(
    'name', ['dacs_step', 'dacs_dlv2_step', 'mic_step', 'mic_hrda_step']
)
def test_rates_and_decays_of_parameters_equal_goldens(config, name):
    distance = [dict(type='FeatureDistance')]
    model = Replay(name, terms=distance * (name != 'dacs_dlv2_step')).model
    wrapper = build_optim_wrapper(model, config.optim_wrapper)['segmentor']
    names = {id(p): n for n, p in model.segmentor.named_parameters()}
    found = {
        names[id(parameter)]: (group['lr'], group['weight_decay'])
        for group in wrapper.optimizer.param_groups
        for parameter in group['params']
    }
    with np.load(modern_file(name)) as file:
        rows = zip(
            file['param_names'],
            torch.from_numpy(file['param_lr_wd']),
            strict=True,
        )
        published = {str(name): row[None] for name, row in rows}
    # Each row is renamed as the tensor would be that it tells of.
    wanted = tensors_from_published(published)
    assert found.keys() == wanted.keys()
    for name, rows in wanted.items():
        for row in rows.reshape(-1, 2).tolist():
            assert list(found[name]) == pytest.approx(row, rel=1e-12)
