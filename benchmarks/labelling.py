# Copyright (c) mmuda authors.
"""Time of labelling a target against plain forward passes."""

import copy
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.model import revert_sync_batchnorm
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks.evaluation import forward_all
from benchmarks.measure import Row, Times, paired_times, ratio_row
from benchmarks.setting import domain_configs
from mmuda.evaluation.label_free_state import LabelFreeState
from mmuda.evaluation.second_view import network_logits
from mmuda.pseudo_labels.labeler import PseudoLabeler, own_batches
from mmuda.pseudo_labels.labelling_options import PseudoLabelOptions
from mmuda.pseudo_labels.predictor import members
from mmuda.registry import DATASETS, MODELS

# 0.9 of the images in the same time.
MAX_LABELLING_RATIO = 1.11
MAX_SUMS_RATIO = 0.02
ESL_RULE = dict(type='EntropyQuantile', quantile=0.5, floor=0.1)
# Of the logits over the pixels; as sure as a network after some training.
_LOGIT_DEVIATION = 3.0


def labelling_rows(
    cfg: Config, root: Path, images: int, device: str = 'cpu', **timing: Any
) -> list[Row]:
    """Time of labelling a target over that of the network alone.

    Labelling is the whole run: it loads, predicts, counts scores, writes and
    reads the spool and writes labels and manifest. The network alone runs from
    an equal loader to logits at its own resolution; in the second row it has
    its images already.

    Args:
        cfg: A training config whose data exists. Labels are made as its
            ``pseudo_labels`` says; without it as by ESL.
        root: Where to write pseudo-labels.
        images: Number of images.
        device: Where to compute.
        **timing: As of ``paired_times``.
    """
    case = LabellingCase(cfg, root, images, device)
    prepared = list(case.inputs())
    variants = {
        'labelling': case.label,
        'loaded': case.forward,
        'forward': lambda: forward_all(case.model, prepared),
        'sums': partial(sum_all, [case.coarse(x) for x in prepared]),
    }
    times = paired_times(variants, device=device, **timing)
    times = _per_image(times, len(case.dataset))
    height, width = prepared[0].shape[2:]
    size = f'{len(case.dataset)} images {width}x{height}'
    return [
        ratio_row(
            'labelling',
            f'time of an image, labelling / loading and forward, {size}',
            times,
            'labelling',
            'loaded',
            MAX_LABELLING_RATIO,
        ),
        ratio_row(
            'labelling',
            'time of an image, labelling / forward alone',
            times,
            'labelling',
            'forward',
        ),
        ratio_row(
            'labelling',
            'time of an image, sums for label-free scores / forward alone',
            times,
            'sums',
            'forward',
            MAX_SUMS_RATIO,
        ),
    ]


def sum_all(predictions: Sequence[Tensor]) -> None:
    """Sum up probabilities as labelling does, image by image.

    Args:
        predictions: (N, C, h, w) of each batch.
    """
    for batch in predictions:
        for image in batch.split(1):
            state = LabelFreeState(image.shape[1], device=image.device)
            state.update(image, image.sum(dim=1) > 0, are_logits=False)
            state.packed()


class LabellingCase:
    """A network, the images of a target, and how to label them.

    The weights are random, but the logits differ from pixel to pixel: scores
    that are all alike would be written in no time.

    Args:
        cfg: See ``labelling_rows``.
        root: Where to write; each run makes a folder of its own.
        images: Number of images.
        device: Where to compute.
    """

    def __init__(
        self, cfg: Config, root: Path, images: int, device: str = 'cpu'
    ) -> None:
        self.options = labelling_options(cfg)
        config = copy.deepcopy(domain_configs(cfg)['target'])
        self.dataset = DATASETS.build(
            dict(config, pipeline=self.options.pipeline, indices=images)
        )
        model = MODELS.build(cfg.model)
        model.init_weights()
        self.model = revert_sync_batchnorm(model).to(device).eval()
        self._folders = (root / f'run_{number}' for number in count())
        spread_logits(self.model, next(self.inputs()))

    def label(self) -> Path:
        """Label all images; returns the folder of the labels."""
        folder = next(self._folders)
        labeler = PseudoLabeler(
            self.options.predictor(self.model), self.options
        )
        labeler.run(self.dataset, folder, config='', checkpoints=())
        return folder

    def forward(self) -> None:
        """Load all images and run the network on them."""
        for images in self.inputs():
            forward_all(self.model, [images])

    @torch.no_grad()
    def coarse(self, images: Tensor) -> Tensor:
        """Probabilities (N, C, h, w) at the resolution of the network."""
        metas = [dict(img_shape=tuple(images.shape[2:]))] * len(images)
        (network,), _ = members(self.model)
        return network_logits(network, images, metas).softmax(dim=1)

    def inputs(self) -> Iterator[Tensor]:
        """Prepared batches (N, 3, H, W) from a loader as the labeler's."""
        batches = own_batches(len(self.dataset), self.options.batch_size)
        loader = DataLoader(
            self.dataset,
            batch_sampler=batches,
            num_workers=min(self.options.num_workers, len(batches)),
            collate_fn=pseudo_collate,
        )
        for data in loader:
            yield self.model.data_preprocessor(data, False)['inputs']


def labelling_options(cfg: Config) -> PseudoLabelOptions:
    """How a config labels its target.

    If it does not say, as ESL does, with the images as in validation.

    Args:
        cfg: A training config.
    """
    if cfg.get('pseudo_labels'):
        options = PseudoLabelOptions.from_config(cfg)
    else:
        pipeline = [
            transform
            for transform in cfg.val_dataloader.dataset.pipeline
            if transform.type not in ('LoadLabels', 'LoadAnnotations')
        ]
        options = PseudoLabelOptions(ESL_RULE, pipeline)
    workers = min(options.num_workers, os.cpu_count() or 1)
    return replace(options, num_workers=workers)


@torch.no_grad()
def spread_logits(model: nn.Module, images: Tensor) -> None:
    """Scale the last layer so that each class wins somewhere, in place.

    Args:
        model: Its main head ends in layers, one or a sum of several, whose
            outputs are the logits.
        images: Prepared images (N, 3, H, W).
    """
    head = members(model)[0][0].decode_head
    size = tuple(images.shape[2:])
    metas = [dict(img_shape=size, ori_shape=size)] * len(images)
    logits = model.encode_decode(images, metas)
    mean = logits.mean(dim=(0, 2, 3))
    deviation = logits.std(dim=(0, 2, 3))
    scale = _LOGIT_DEVIATION / deviation.clamp(min=1e-12)
    last = [p for p in head.parameters() if len(p) == head.num_classes]
    for parameter in last:
        parameter *= scale.view(-1, *[1] * (parameter.ndim - 1))
    bias = next(p for p in last if p.ndim == 1)
    bias -= mean * scale


def _per_image(times: Times, images: int) -> Times:
    return {
        name: [seconds / images for seconds in runs]
        for name, runs in times.items()
    }
