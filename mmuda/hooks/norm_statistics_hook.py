# Copyright (c) mmuda authors.
"""The same batch-norm statistics in all processes."""

from mmengine.dist import all_reduce_params
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmuda.models.domain_norms import SourceStatistics
from mmuda.registry import HOOKS


def average_norm_buffers(model: nn.Module) -> None:
    """Average the running statistics of batch norm over all processes.

    Every process must call it. Buffers of other modules are left alone.
    Running means and variances become the mean of all processes, counts of
    batches their maximum. The average passes through later updates linearly,
    so it does not matter how often it is taken.

    Args:
        model: Any module; does nothing if there is one process.
    """
    buffers = [
        buffer
        for module in model.modules()
        if isinstance(module, _BatchNorm | SourceStatistics)
        for buffer in module.buffers(recurse=False)
    ]
    statistics = [b for b in buffers if b.is_floating_point()]
    counts = [b for b in buffers if not b.is_floating_point()]
    all_reduce_params(statistics, op='mean')
    all_reduce_params(counts, op='max')


@HOOKS.register_module()
class NormStatisticsSyncHook(Hook):
    """Average the batch-norm statistics before each evaluation.

    Each process normalises by its own batches and keeps statistics of its
    own, but all of them predict parts of the evaluated set. Unlike mmengine's
    ``SyncBuffersHook`` it leaves buffers alone that are no statistics.
    """

    def before_val_epoch(self, runner: Runner) -> None:
        """Average before a validation."""
        average_norm_buffers(runner.model)

    def before_test_epoch(self, runner: Runner) -> None:
        """Average before a test."""
        average_norm_buffers(runner.model)
