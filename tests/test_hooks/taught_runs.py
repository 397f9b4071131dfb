"""Runs of a few iterations of a model with a teacher."""

from mmengine.hooks import Hook
from tiny_runs import runner

from mmuda.models import unwrap
from mmuda.registry import HOOKS


@HOOKS.register_module()
class RecordNetworksHook(Hook):
    """Keep both networks as they are after each iteration; 0 is the start."""

    priority = 'LOWEST'

    def before_train(self, runner):
        self.networks = [networks(runner)]
        self.teacher_trains = []

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ):
        self.networks.append(networks(runner))
        teacher = unwrap(runner.model).teacher
        self.teacher_trains += [m.training for m in teacher.modules()]


def networks(run):
    """Tensors of segmentor and teacher by name, without that prefix."""
    parts = {'segmentor': {}, 'teacher': {}}
    for name, value in unwrap(run.model).state_dict().items():
        part, _, name = name.partition('.')
        if part in parts:
            parts[part][name] = value.clone()
    return parts


def taught(folder, iterations=3, teacher=None, **kwargs):
    """A run with a teacher, not yet trained."""
    hooks = [
        dict(type='RecordNetworksHook'),
        dict(type='MeanTeacherHook', **(teacher or {})),
        'NormStatisticsSyncHook',
        'IterationSeedHook',
    ]
    kwargs.setdefault('model', dict(teacher=True))
    return runner(folder, iterations, hooks, **kwargs)


def recorder(run):
    return next(h for h in run.hooks if isinstance(h, RecordNetworksHook))


def record(run):
    """Train, and return both networks after each iteration."""
    run.train()
    return recorder(run).networks
