# Copyright (c) mmuda authors.
"""Accuracy by labels of the target, to judge what does without."""

from collections.abc import Iterator

import torch
from mmengine.config import Config
from mmengine.model import BaseModel

from mmuda.datasets.domain_dataset import build_domain
from mmuda.datasets.segmentation_dataset import SegmentationDataset
from mmuda.evaluation.confusion_matrix import count_confusion
from mmuda.evaluation.label_free_scores import mean_iou
from mmuda.model_selection.selection_data import loader_of
from mmuda.models.segmentors.strip_predictions import LOGITS, choose_outputs
from mmuda.utils.config_data import data_sets
from mmuda.utils.errors import ConfigError, DataError


def labelled_test_images(
    cfg: Config, domain: str | None
) -> SegmentationDataset:
    """Labelled test images of a target.

    Args:
        cfg: A training config.
        domain: Name of one of several targets.

    Raises:
        ConfigError: There are none, or several and none is named.
    """
    found = {
        name: dataset
        for name, dataset in data_sets(cfg).items()
        if name.partition('.')[0] == 'test'
    }
    name = f'test.{domain}' if f'test.{domain}' in found else 'test'
    if name not in found:
        raise ConfigError(
            f'test_dataloader: the config tests on {", ".join(found) or "no"} '
            'images; name a target by --domain'
        )
    return build_domain(name, found[name])


@torch.no_grad()
def true_miou(
    model: BaseModel, dataset: SegmentationDataset, workers: int
) -> float:
    """Mean IoU at the size of the labels, as tools/test.py has it.

    Args:
        model: In evaluation mode.
        dataset: Labelled images.
        workers: Processes that load them.

    Returns:
        In percent, over the classes that are labelled or predicted.

    Raises:
        DataError: No pixel is labelled.
    """
    classes = len(dataset.metainfo['classes'])
    total = torch.zeros(classes, classes + 1, dtype=torch.int64)
    choose_outputs(model, ())
    try:
        batches: Iterator[dict] = loader_of(
            dataset, range(len(dataset)), workers
        )
        for batch in batches:
            (sample,) = model.test_step(batch)
            truth = sample.gt_sem_seg.data[0].cpu()
            prediction = sample.pred_sem_seg.data[0].cpu()
            total += count_confusion(truth, prediction, classes)
    finally:
        choose_outputs(model, [LOGITS])
    if not total.any():
        raise DataError('no pixel of the test images is labelled')
    return mean_iou(total[:, :classes])
