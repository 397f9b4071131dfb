# Copyright (c) mmuda authors.
"""Time of a validation against the bare forward pass."""

import os
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.model import revert_sync_batchnorm
from mmengine.runner import Runner, ValLoop
from torch import Tensor, nn

from benchmarks.measure import Row, paired_times, ratio_row

# At least 0.95 of the images a second that bare passes see.
MAX_EVALUATION_RATIO = 1 / 0.95
_NOT_FOR_VALIDATION = (
    'train_dataloader',
    'train_cfg',
    'optim_wrapper',
    'param_scheduler',
    'test_dataloader',
    'test_evaluator',
    'test_cfg',
)


def evaluation_rows(
    cfg: Config,
    work_dir: Path,
    images: int,
    device: str = 'cpu',
    **timing: Any,
) -> list[Row]:
    """Time of the validation loop over that of the network alone.

    The loop loads, predicts at label size and computes the metric; the
    network alone runs from prepared images to logits at its own resolution.

    Args:
        cfg: A training config whose data exists; changed in place.
        work_dir: Where the runner may write.
        images: Number of images.
        device: Where to compute.
        **timing: As of ``paired_times``.
    """
    loop = build_loop(cfg, work_dir, images, device)
    dataset, model = loop.dataloader.dataset, loop.runner.model.eval()
    inputs = [
        model.data_preprocessor(pseudo_collate([dataset[i]]))['inputs']
        for i in range(len(dataset))
    ]
    variants = {
        'loop': loop.run,
        'forward': partial(forward_all, model, inputs),
    }
    times = paired_times(variants, device=device, **timing)
    height, width = inputs[0].shape[2:]
    return [
        ratio_row(
            'evaluation',
            f'validation / forward, {len(inputs)} images {width}x{height}',
            times,
            'loop',
            'forward',
            MAX_EVALUATION_RATIO,
        )
    ]


def build_loop(
    cfg: Config, work_dir: Path, images: int, device: str = 'cpu'
) -> ValLoop:
    """Build the validation loop of a config for a few images.

    Args:
        cfg: A training config whose data exists; changed in place.
        work_dir: Where the runner may write.
        images: Number of images.
        device: Where to compute.
    """
    loader = cfg.val_dataloader
    loader.dataset.indices = images
    loader.num_workers = min(loader.num_workers, os.cpu_count() or 1)
    loader.persistent_workers = loader.num_workers > 0
    cfg.log_level = 'ERROR'
    cfg.custom_hooks = []
    cfg.work_dir = str(work_dir)
    cfg.launcher = 'none'
    for key in _NOT_FOR_VALIDATION:
        cfg[key] = None
    runner = Runner.from_cfg(cfg)
    runner.model = revert_sync_batchnorm(runner.model).to(device)
    return runner.val_loop


def forward_all(model: nn.Module, inputs: list[Tensor]) -> None:
    """Forward passes of the segmentor's main head, without gradients."""
    with torch.no_grad():
        for images in inputs:
            size = tuple(images.shape[2:])
            model.encode_decode(images, [dict(img_shape=size, ori_shape=size)])
