"""When ``--gpus`` starts processes."""

import argparse

import pytest

from mmuda.utils.errors import ConfigError
from mmuda.utils.launch import asks_for_processes


def asked(gpus, launcher='none'):
    return asks_for_processes(argparse.Namespace(gpus=gpus, launcher=launcher))


@pytest.mark.parametrize(
    ('gpus', 'machines', 'expected'),
    [
        (None, '2', False),
        (1, None, False),
        (1, '1', False),
        (1, '2', True),
        (2, None, True),
    ],
)
def test_one_process_is_started_if_there_are_other_machines(
    monkeypatch, gpus, machines, expected
):
    monkeypatch.delenv('NNODES', raising=False)
    if machines is not None:
        monkeypatch.setenv('NNODES', machines)
    assert asked(gpus) is expected


def test_two_launchers_are_refused():
    with pytest.raises(ConfigError, match='--gpus 2 starts the processes'):
        asked(2, 'slurm')
