# Copyright (c) mmuda authors.
"""Random numbers that do not depend on what happened before."""

from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmuda.registry import HOOKS
from mmuda.utils.seeds import mix_seed, seed_all


@HOOKS.register_module()
class IterationSeedHook(Hook):
    """Seed each iteration by the run's seed, the iteration and the process.

    Dropout, mixing of images and all else that is random in a training step
    then depends on these three numbers only. A resumed run continues exactly,
    with any number of processes, and no random state has to be saved.
    """

    priority = 'VERY_HIGH'

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Seed Python, NumPy and PyTorch."""
        seed_all(mix_seed(runner.seed, runner.iter, get_rank()))
