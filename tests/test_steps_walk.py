"""How many files of the package one has to open to follow an iteration."""

import sys
from pathlib import Path

import collaborative_models
import dacs_models
import pytest
import several_targets
import tiny_models
from mmengine.optim import build_optim_wrapper

import mmuda
from mmuda.registry import MODELS

ROOT = str(Path(mmuda.__file__).parent)


def files_of(step):
    """Files of the package whose functions a step calls."""
    seen = set()

    def look(frame, event, _):
        name = frame.f_code.co_filename
        if event == 'call' and name.startswith(ROOT):
            seen.add(name.removeprefix(ROOT + '/'))

    sys.setprofile(look)
    try:
        step()
    finally:
        sys.setprofile(None)
    return seen


def of_one_target(method):
    model = MODELS.build(tiny_models.model_config(method)).train()
    config = tiny_models.optim_config(method)
    return model, tiny_models.batch(), build_optim_wrapper(model, config)


def of_mixed(method):
    model = dacs_models.build(method)
    return model, dacs_models.mixable(), dacs_models.optimizers(model)


def of_several(method):
    model = collaborative_models.build(method)
    data = several_targets.softly_labelled(2)
    return model, data, several_targets.optimizers(model)


@pytest.mark.parametrize(
    ('build', 'method', 'most'),
    [
        (of_one_target, 'MinEnt', 7),
        (of_one_target, 'AdvEnt', 8),
        (of_mixed, 'DACS', 10),
        (of_several, 'MLCL', 13),
        (of_several, 'CoaST', 13),
        (of_several, 'MTKT', 14),
    ],
)
def test_an_iteration_visits_few_files(build, method, most):
    model, data, wrappers = build(method)
    files = files_of(lambda: model.train_step(data, wrappers))
    assert len(files) <= most, sorted(files)
