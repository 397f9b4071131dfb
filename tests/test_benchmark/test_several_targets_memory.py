import pytest
import torch
from benchmark_config import tiny_config

from benchmarks.several_targets_case import SeveralTargetsCase
from benchmarks.several_targets_config import METHODS
from benchmarks.several_targets_memory import (
    backbones_of_zeros,
    several_targets_memory_rows,
)
from mmuda.utils.setup_env import register_all_modules

SIZES = {'source': (128, 128), 'target': (128, 128)}


def measure(numbers, methods):
    """Rows by name."""
    torch.manual_seed(0)
    rows = several_targets_memory_rows(
        tiny_config(SIZES), numbers, methods=methods
    )
    return {row.name: row for row in rows}


@pytest.fixture(scope='module')
def rows():
    register_all_modules()
    return measure((3,), METHODS)


@pytest.mark.parametrize('method', ['MultiDis', 'MTKT', 'CCL'])
def test_one_pass_after_the_other_needs_what_heads_need(rows, method):
    assert rows[f'{method}, 3 targets / 1 target'].is_met is True


@pytest.mark.parametrize('method', ['CoaST', 'MLCL'])
def test_recomputing_needs_what_heads_need(rows, method):
    name = f'{method}, 3 targets, features recomputed / 1 target'
    assert rows[name].is_met is True


@pytest.mark.parametrize('method', ['CoaST', 'MLCL'])
def test_views_that_are_kept_have_no_goal(rows, method):
    assert rows[f'{method}, 3 targets / 1 target'].goal is None


def test_views_that_are_kept_would_miss_the_goal(rows):
    """Shows that the measurement can tell the difference."""
    kept = rows['MLCL, 3 targets / 1 target'].value
    recomputed = rows['MLCL, 3 targets, features recomputed / 1 target']
    assert kept > recomputed.goal


def test_one_target_is_not_compared_with_itself(rows):
    assert not [name for name in rows if ', 1 target' in name]


def test_rows_are_the_same_each_time(rows):
    again = measure((3,), ['CoaST'])
    assert again == {name: rows[name] for name in again}


@pytest.mark.parametrize('method', METHODS)
def test_backbones_of_zeros_give_features_of_the_true_shapes(method):
    case = SeveralTargetsCase(tiny_config(), method, 2)
    images = case.images['source']
    expected = [level.shape for level in case.model.segmentor.backbone(images)]
    with backbones_of_zeros(case):
        features = case.model.segmentor.backbone(images)
    assert [level.shape for level in features] == expected


def test_backbones_come_back():
    case = SeveralTargetsCase(tiny_config(), 'CCL', 2)
    networks = [case.model.segmentor, case.model.expert('target_2')]
    before = [network.backbone for network in networks]
    with backbones_of_zeros(case):
        pass
    assert [network.backbone for network in networks] == before
