# Copyright (c) mmuda authors.
"""Experiments on pairs of domains: what is run, compared and shown."""

from experiments.experiment_files import Experiment, read_experiment
from experiments.planning import plan_runs, plan_table
from experiments.running import Changed, Runner

__all__ = [
    'Changed',
    'Experiment',
    'Runner',
    'plan_runs',
    'plan_table',
    'read_experiment',
]
