"""Looking ahead in schedules that end before the training does."""

import pytest
import torch
from mmengine.optim import (
    LinearLR,
    OptimWrapper,
    PolyLR,
    ReduceOnPlateauLR,
)

from mmuda.engine.schedules import (
    check_no_idle_training,
    check_steps_are_taken,
)
from mmuda.utils.errors import ConfigError

FOREVER = 10**30


def wrapper():
    parameter = torch.nn.Parameter(torch.zeros(1))
    return OptimWrapper(torch.optim.SGD([parameter], lr=0.1))


def test_a_rate_that_stays_is_not_followed_to_the_end():
    wrapped = wrapper()
    warmup = LinearLR(wrapped, start_factor=0.1, end=3, by_epoch=False)
    check_no_idle_training(wrapped, [warmup], 0, FOREVER)


@pytest.mark.parametrize('begin', [0, 2, 50])
def test_a_rate_that_has_become_zero_is_found(begin):
    wrapped = wrapper()
    poly = PolyLR(wrapped, eta_min=0, end=4, by_epoch=False)
    for _ in range(begin):
        poly.step()
    first = max(begin + 1, 4)
    with pytest.raises(ConfigError, match=f'is 0 from iteration {first} on'):
        check_no_idle_training(wrapped, [poly], begin, FOREVER)


def test_schedules_by_epochs_would_take_no_step():
    wrapped = wrapper()
    own = [PolyLR(wrapped, end=4, by_epoch=False), PolyLR(wrapped, end=4)]
    message = r'^param_scheduler\.segmentor\.1\.by_epoch=True: the training is'
    with pytest.raises(ConfigError, match=message):
        check_steps_are_taken({'segmentor': own})
    with pytest.raises(ConfigError, match=r'^param_scheduler\.0\.by_epoch=Tr'):
        check_steps_are_taken(own[1:])


def test_schedules_that_take_steps():
    wrapped = wrapper()
    plateau = ReduceOnPlateauLR(wrapped, monitor='mIoU')
    check_steps_are_taken([PolyLR(wrapped, end=4, by_epoch=False), plateau])
    check_steps_are_taken(None)
