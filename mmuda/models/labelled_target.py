# Copyright (c) mmuda authors.
"""A few labels of a target, beside what a method learns without them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mmseg.utils import add_prefix

from mmuda.models.batch import DomainBatch
from mmuda.models.players import Losses, Steps, ddp_dummy_loss
from mmuda.utils.names import SOURCE

if TYPE_CHECKING:
    from mmuda.models.uda import BaseUDA


def labelled_steps(model: 'BaseUDA', labelled: DomainBatch) -> Steps:
    r"""Learn the labels of target images as those of the source.

    .. math:: L = L_{method} + w \, L_{seg}(x_l, y_l)

    with the method's own loss on source labels as the second one: the same
    heads, class weights and mean, on images changed as those of the source
    (``BaseUDA.as_learned``). It is a pass of its own after all others,
    so that these draw the same random numbers as without it; with w = 0 there
    is none, which would change running statistics of batch norm. No terms
    ride on it, and it is there while a method warms up.

    Args:
        model: The method, with its ``labelled_target_weight`` w.
        labelled: Images of the target with labels.

    Yields:
        As of ``BaseUDA.training_step``; losses are named after the domain.
    """
    if model.labelled_target_weight:
        yield model.main, _losses_on(model, labelled)


def _losses_on(model: 'BaseUDA', labelled: DomainBatch) -> Losses:
    labelled = model.as_learned(labelled)
    images, weight = labelled.images, model.labelled_target_weight
    prediction = model.segmentor(images, heads=model.heads_on(SOURCE))
    logits = prediction.logits
    full = model.full_size(logits, images)
    losses = {
        name: weight * value if 'loss' in name else value
        for name, value in model.loss_on_source(
            prediction, full, labelled
        ).items()
    }
    losses |= ddp_dummy_loss(model.segmentor, logits)
    return add_prefix(losses, labelled.name)


def weight_without_images(model: Mapping[str, Any] | None) -> str | None:
    """What to tell of a weight in a config that has no labelled target.

    Args:
        model: Config of a method.

    Returns:
        None if it has no weight, or that of no such images.
    """
    weight = (model or {}).get('labelled_target_weight')
    if not weight:
        return None
    return (
        f'model.labelled_target_weight={weight} has no effect: '
        'train_dataloader.dataset has no labelled_target; name the images, or '
        'leave the weight out'
    )
