"""Two processes share the labelling and train on the same labels."""

import pytest
import torch
from gloo import run
from refreshed_runs import config, train, write_data

from mmuda.models.players import unwrap


def train_in_process(data, work_dir):
    """Weights of a run in this process, and what it has been told."""
    cfg = config(data, work_dir, iterations=4, workers=1)
    cfg.launcher = 'pytorch'
    runner = train(cfg)
    return unwrap(runner.model).state_dict()


@pytest.fixture(scope='module')
def states(tmp_path_factory):
    data = write_data(tmp_path_factory.mktemp('data'))
    folder = tmp_path_factory.mktemp('run')
    results = tmp_path_factory.mktemp('results')
    return folder, run(train_in_process, results, data, folder)


def test_each_image_is_labelled(states):
    labels = states[0] / 'pseudo_labels/target/iter_00000002'
    assert len(list(labels.glob('*.png'))) == 4
    assert (labels / 'manifest.json').is_file()


def test_parameters_are_equal(states):
    first, second = states[1]
    for name, value in first.items():
        if 'running' not in name and 'tracked' not in name:
            assert torch.equal(value, second[name]), name
