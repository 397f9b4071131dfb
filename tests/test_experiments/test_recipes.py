"""Which changes of a config make another recipe."""

import inspect

import pytest
from mmengine.hooks import Hook

import mmuda.hooks
import mmuda.model_selection.harm_report_hook  # noqa: F401
from experiments import read_experiment
from experiments.recipes import WATCHING_HOOKS, checksum, read_recipes
from mmuda.registry import HOOKS

# They change weights, or what is computed on the way to them.
LEARNING_HOOKS = {
    *('CollaborativeConsistencyHook', 'IterationSeedHook'),
    *('LeanPredictionHook', 'MeanTeacherHook', 'MixedPrecisionHook'),
    *('NormStatisticsSyncHook', 'PseudoLabelRefreshHook'),
    'TargetNormStatisticsHook',
}
# Stand in default_hooks, at which a recipe does not look.
DEFAULT_HOOKS = {'LoggerHook', 'UDACheckpointHook'}
FILE = """\
title: Toys
source_only: plain
rows:
  plain:
    config: configs/demo/demo_source_only_gta2cs.py
    options: {OPTIONS}
"""


def own_hooks():
    return {
        hook.__name__
        for hook in HOOKS.module_dict.values()
        if inspect.isclass(hook)
        and issubclass(hook, Hook)
        and hook.__module__.startswith('mmuda.')
    }


def test_each_hook_is_known_to_learn_or_to_look_on():
    assert own_hooks() - LEARNING_HOOKS - DEFAULT_HOOKS == set(WATCHING_HOOKS)
    assert LEARNING_HOOKS.isdisjoint(WATCHING_HOOKS)


@pytest.mark.parametrize(
    ('options', 'is_same'),
    [
        ('custom_hooks.4.interval: 7', True),
        ('custom_hooks.6.type: ProgressBarHook', True),
        ('custom_hooks.6.type: NormStatisticsSyncHook', False),
        ('train_cfg.max_iters: 7', False),
    ],
)
def test_a_recipe_is_what_decides_what_is_learned(tmp_path, options, is_same):
    def of(options):
        file = tmp_path / 'toys.yml'
        file.write_text(FILE.replace('OPTIONS', options))
        recipes = read_recipes(read_experiment(file), ['plain'], {})
        return checksum(recipes['plain'].course())

    assert (of(options) == of('')) is is_same
