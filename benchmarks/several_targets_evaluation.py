# Copyright (c) mmuda authors.
"""Time of testing several targets in one run against a run for each."""

import copy
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.runner import Runner

from benchmarks.measure import Row, paired_times, ratio_row
from benchmarks.several_targets_config import target_names

MAX_RUN_RATIO = 1.0
_NOT_FOR_TESTS = (
    'train_dataloader',
    'train_cfg',
    'optim_wrapper',
    'param_scheduler',
    'val_dataloader',
    'val_evaluator',
    'val_cfg',
)


def several_targets_evaluation_rows(
    cfg: Config,
    work_dir: Path,
    numbers: Sequence[int],
    images: int,
    device: str = 'cpu',
    **timing: Any,
) -> list[Row]:
    """Time of one run that tests all targets over that of a run for each.

    A run builds the model, loads a checkpoint and the data, predicts and
    computes the metrics.

    Args:
        cfg: A training config whose validation data exists; each target has
            this data.
        work_dir: Where checkpoint and runs may write.
        numbers: Numbers of targets; the largest is measured.
        images: Number of images of each target.
        device: Where to compute.
        **timing: As of ``paired_times``.
    """
    targets = target_names(max(numbers))
    case = EvaluationCase(cfg, work_dir, images, device)
    variants = {
        'one run': lambda: case.test(targets),
        f'{len(targets)} runs': lambda: [case.test([t]) for t in targets],
    }
    times = paired_times(variants, device=device, **timing)
    together, apart = variants
    return [
        ratio_row(
            'several_targets_evaluation',
            f'{len(targets)} targets of {images} images: {together} / {apart}',
            times,
            together,
            apart,
            MAX_RUN_RATIO,
        )
    ]


class EvaluationCase:
    """A checkpoint, and targets to test it on.

    Args:
        cfg: See ``several_targets_evaluation_rows``.
        work_dir: Where checkpoint and runs may write.
        images: Number of images of each target.
        device: Where to compute.
    """

    def __init__(
        self, cfg: Config, work_dir: Path, images: int, device: str = 'cpu'
    ) -> None:
        self.device = device
        self._names = (f'{work_dir.name}_{number}' for number in count())
        self.loader, self.evaluator = (
            copy.deepcopy(part[0] if isinstance(part, list) else part)
            for part in (cfg.val_dataloader, cfg.val_evaluator)
        )
        self.loader.dataset.indices = images
        # Or each run would start processes, too.
        self.loader.num_workers = 0
        self.loader.persistent_workers = False
        self.cfg = copy.deepcopy(cfg)
        self.cfg.update(
            dict.fromkeys(_NOT_FOR_TESTS),
            log_level='ERROR',
            custom_hooks=[],
            work_dir=str(work_dir),
            launcher='none',
        )
        self.checkpoint = work_dir / 'model.pth'
        work_dir.mkdir(parents=True, exist_ok=True)
        model = self._runner(['target']).model
        torch.save(dict(state_dict=model.state_dict()), self.checkpoint)

    def test(self, targets: Sequence[str]) -> dict[str, float]:
        """Test targets in one run.

        Args:
            targets: Their names.

        Returns:
            Metrics by ``<target>/<metric>``.
        """
        # mmengine prints where the checkpoint is.
        with redirect_stdout(StringIO()):
            return self._runner(targets, str(self.checkpoint)).test()

    def _runner(
        self, targets: Sequence[str], checkpoint: str | None = None
    ) -> Runner:
        cfg = copy.deepcopy(self.cfg)
        cfg.load_from = checkpoint
        loaders = [copy.deepcopy(self.loader) for _ in targets]
        evaluators = [dict(self.evaluator, prefix=name) for name in targets]
        several = len(targets) > 1
        cfg.test_dataloader = loaders if several else loaders[0]
        cfg.test_evaluator = evaluators if several else evaluators[0]
        loop = 'MultiTargetTestLoop' if several else 'TestLoop'
        cfg.test_cfg = dict(type=loop)
        # Runs of one name would share a logger.
        cfg.experiment_name = next(self._names)
        runner = Runner.from_cfg(cfg)
        runner.model = revert_sync_batchnorm(runner.model).to(self.device)
        return runner
