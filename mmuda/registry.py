# Copyright (c) mmuda authors.
"""Registries of mmuda, each a child of mmseg's of the same name.

Being children of mmseg's nodes (not of mmengine's root) lets configs name
mmseg, mmcv and mmengine types without a prefix when the default scope is
``mmuda``.
"""

import mmseg.registry as mmseg_registry
from mmengine.registry import Registry

# Where the classes of each registry are. This is the only place on a lower
# floor that names the upper ones: they are imported when they are asked for.
LOCATIONS = {
    'MODELS': ['mmuda.models'],
    'MODEL_WRAPPERS': ['mmuda.models'],
    'WEIGHT_INITIALIZERS': ['mmuda.models'],
    'DATASETS': ['mmuda.datasets'],
    'DATA_SAMPLERS': ['mmuda.datasets'],
    'TRANSFORMS': ['mmuda.datasets'],
    'HOOKS': ['mmuda.hooks', 'mmuda.model_selection'],
    'LOOPS': ['mmuda.engine'],
    'OPTIM_WRAPPERS': ['mmuda.engine'],
    'OPTIM_WRAPPER_CONSTRUCTORS': ['mmuda.engine'],
    'METRICS': ['mmuda.evaluation'],
    'VISUALIZERS': ['mmuda.engine'],
    'VISBACKENDS': ['mmuda.engine'],
    'RUNNERS': ['mmuda.engine'],
    'PSEUDO_LABEL_RULES': ['mmuda.pseudo_labels'],
}


def _child(name: str) -> Registry:
    parent = getattr(mmseg_registry, name)
    return Registry(
        parent.name,
        parent=parent,
        scope='mmuda',
        locations=LOCATIONS.get(name, []),
    )


RUNNERS = _child('RUNNERS')
RUNNER_CONSTRUCTORS = _child('RUNNER_CONSTRUCTORS')
LOOPS = _child('LOOPS')
HOOKS = _child('HOOKS')
DATASETS = _child('DATASETS')
DATA_SAMPLERS = _child('DATA_SAMPLERS')
TRANSFORMS = _child('TRANSFORMS')
MODELS = _child('MODELS')
MODEL_WRAPPERS = _child('MODEL_WRAPPERS')
WEIGHT_INITIALIZERS = _child('WEIGHT_INITIALIZERS')
OPTIMIZERS = _child('OPTIMIZERS')
OPTIM_WRAPPERS = _child('OPTIM_WRAPPERS')
OPTIM_WRAPPER_CONSTRUCTORS = _child('OPTIM_WRAPPER_CONSTRUCTORS')
PARAM_SCHEDULERS = _child('PARAM_SCHEDULERS')
METRICS = _child('METRICS')
EVALUATOR = _child('EVALUATOR')
TASK_UTILS = _child('TASK_UTILS')
VISUALIZERS = _child('VISUALIZERS')
VISBACKENDS = _child('VISBACKENDS')
LOG_PROCESSORS = _child('LOG_PROCESSORS')
INFERENCERS = _child('INFERENCERS')
PSEUDO_LABEL_RULES = Registry(
    'pseudo_label_rule',
    scope='mmuda',
    locations=LOCATIONS['PSEUDO_LABEL_RULES'],
)
