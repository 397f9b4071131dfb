# Copyright (c) mmuda authors.
"""Means over pixels, whichever process has them.

DDP averages gradients over processes. Where a loss is a mean over the pixels
that count, and processes have unlike numbers of them, the average of their
means is not the mean of the whole batch. Here a process's mean is weighted by
its share of the pixels, so that the average is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

import torch
from mmengine.dist import all_gather, all_reduce, get_world_size
from mmengine.model import BaseModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.losses import CrossEntropyLoss, accuracy
from mmseg.models.utils import resize
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate, pad

AverageOver = Literal['batch', 'process']

_AVERAGE_OVER: ContextVar[AverageOver] = ContextVar(
    'average_over', default='batch'
)


@contextmanager
def averaging_over(which: AverageOver) -> Iterator[None]:
    """Choose what losses inside the block are averaged over.

    Args:
        which: ``batch`` for the pixels of all processes together, ``process``
            for those of each process alone, as plain DDP has it.
    """
    token = _AVERAGE_OVER.set(which)
    try:
        yield
    finally:
        _AVERAGE_OVER.reset(token)


def averages_over_processes() -> bool:
    """Whether pixels of other processes count in means taken now."""
    return get_world_size() > 1 and _AVERAGE_OVER.get() == 'batch'


def process_share(count: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Part of all processes' pixels that are this one's, times processes.

    Every process must call it. Nothing waits for the device.

    Args:
        count: Scalar, pixels that count in this process.
        dtype: Of the result.

    Returns:
        Scalar, 1 if all processes have alike; not a number if nowhere a pixel
        counts.
    """
    total = count.detach().clone()
    all_reduce(total)
    own = get_world_size() * count.detach()
    # As half precision does not count so far.
    wide = torch.promote_types(dtype, torch.float32)
    return (own.to(wide) / total.to(wide)).to(dtype)


def of_all_processes(mean: Tensor, count: Tensor | int) -> Tensor:
    """Weight a mean so that the processes' average is that of all pixels.

    Every process must call it, also one without a pixel that counts.

    Args:
        mean: Scalar, the mean of this process; 0 if no pixel counts.
        count: How many pixels (or what sum of weights) it is the mean of.

    Returns:
        Scalar; the mean itself in a single process, or if each process is
        averaged alone.
    """
    if not averages_over_processes():
        return mean
    if not isinstance(count, Tensor):
        count = torch.full((), count, device=mean.device)
    return mean * process_share(count, mean.dtype).nan_to_num(0)


def mean_of_valid(values: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean over the pixels that count.

    Args:
        values: Of any shape.
        valid: Where they count, in the same shape; None for everywhere.

    Returns:
        Scalar; 0, still with a gradient, if no pixel counts.
    """
    if valid is None:
        return of_all_processes(values.mean(), values.numel())
    count = valid.sum()
    # Not a product, which would keep a NaN of a pixel that doesn't count.
    total = values.where(valid, values.new_zeros(())).sum()
    return of_all_processes(total / count.clamp(min=1), count)


@torch.no_grad()
def share_of_pixels(
    mask: Tensor,
    valid: Tensor | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Part of the pixels of a batch that a mask holds.

    Of the pixels of all processes, where losses are means over these; every
    process must call it.

    Args:
        mask: Bool, of any shape.
        valid: Pixels that count, in the same shape; None for all.
        dtype: Of the result.

    Returns:
        Scalar in [0, 1], the same in all processes that are averaged over; 0
        if no pixel counts.
    """
    if valid is None:
        valid = torch.ones_like(mask)
    counts = torch.stack([(mask & valid).sum(), valid.sum()])
    if averages_over_processes():
        all_reduce(counts)
    held, total = counts.to(dtype)
    return held / total.clamp(min=1)


def valid_at(
    valid: Tensor | None, size: tuple[int, ...], align_corners: bool = False
) -> Tensor | None:
    """Valid pixels of a map in another resolution.

    Args:
        valid: (N, H, W) bool, or None for everywhere.
        size: Height and width of the map, (h, w).
        align_corners: Whether the outer cells of the map lie on the outer
            pixels, as logits do that are resized so; otherwise cells divide
            the image among themselves, as those of a strided convolution.

    Returns:
        (N, h, w) bool: whether the middle of a cell is valid. The first cell
        of an image always is, however small the image.
    """
    if valid is None or valid.shape[1:] == size:
        return valid
    if align_corners:
        rows, columns = (
            torch.linspace(0, pixels - 1, cells, device=valid.device)
            .round()
            .long()
            for pixels, cells in zip(valid.shape[1:], size, strict=True)
        )
        read = valid[:, rows][:, :, columns]
    else:
        read = interpolate(valid[:, None].float(), size, mode='nearest-exact')[
            :, 0
        ].bool()
    read[:, 0, 0] = True
    return read


def average_cross_entropy(loss: nn.Module) -> None:
    """Let mmseg's cross entropy be the mean of all processes, in place.

    With ``class_weight`` a mean is over labelled pixels anyway, and mmseg
    fails on ignored ones if ``avg_non_ignore`` asks for that, too.

    Args:
        loss: A loss of a head; others than ``CrossEntropyLoss`` are left as
            they are.
    """
    if not isinstance(loss, CrossEntropyLoss):
        return
    if loss.class_weight is not None and not loss.use_sigmoid:
        loss.avg_non_ignore = False
    if _weight_by_share not in loss._forward_hooks.values():
        loss.register_forward_hook(_weight_by_share, with_kwargs=True)


def _weight_by_share(
    loss: CrossEntropyLoss, args: tuple, kwargs: dict, output: Tensor
) -> Tensor:
    reduction = kwargs.get('reduction_override') or loss.reduction
    if reduction != 'mean' or kwargs.get('avg_factor') is not None:
        return output
    if not averages_over_processes():
        return output
    label = args[1]
    valid = label != kwargs.get('ignore_index', -100)
    if loss.class_weight is not None and not loss.use_sigmoid:
        weights = output.new_tensor(loss.class_weight)
        places = label.where(valid, 0)
        return of_all_processes(output, weights[places].where(valid, 0).sum())
    count = valid.sum() if loss.avg_non_ignore else label.numel()
    return of_all_processes(output, count)


def losses_of(head: BaseDecodeHead) -> list[BaseModule]:
    """Losses of a head, whether it has one or several."""
    losses = head.loss_decode
    return list(losses) if isinstance(losses, nn.ModuleList) else [losses]


def losses_of_head(
    head: BaseDecodeHead,
    logits: Tensor,
    labels: Tensor,
    weights: Tensor | None,
    pseudo: Tensor | None = None,
) -> dict[str, Tensor]:
    """Losses and accuracy of a head, as of mmseg's ``loss_by_feat``.

    That takes labels of samples and no weights.

    Args:
        head: With its ``loss_decode``.
        logits: (N, C, h, w).
        labels: (N, H, W) train ids.
        weights: (N, H, W) factors of the pixels' losses, or None.
        pseudo: (N, H, W) bool, where labels are pseudo-labels, or None.
    """
    logits = resize(  # (N, C, h, w) -> (N, C, H, W)
        logits,
        size=labels.shape[1:],
        mode='bilinear',
        align_corners=head.align_corners,
        warning=False,
    )
    if weights is None and head.sampler is not None:
        weights = head.sampler.sample(logits, labels[:, None])
    index = head.ignore_index
    losses: dict[str, Tensor] = {}
    for loss in losses_of(head):
        value = _value_of(loss, logits, labels, weights, pseudo, index)
        losses[loss.loss_name] = losses.get(loss.loss_name, 0) + value
    share = process_share((labels != index).sum())
    # mmseg has an accuracy of 100 % on no pixel.
    losses['acc_seg'] = share * accuracy(logits, labels, ignore_index=index)
    return losses


def _value_of(
    loss: BaseModule,
    logits: Tensor,
    labels: Tensor,
    weights: Tensor | None,
    pseudo: Tensor | None,
    index: int,
) -> Tensor:
    classes = getattr(loss, 'class_weight', None)
    if classes is not None and _is_mean(loss):
        # mmseg 1.2.2 looks up the weight of the class of ignored pixels.
        return _mean_by_class(loss, logits, labels, weights, pseudo, index)
    weighs_pixels = getattr(loss, 'weighs_pixels', False)
    if classes is not None and pseudo is not None and weighs_pixels:
        undone = _undone_class_weights(logits, classes, labels, pseudo)
        weights = undone if weights is None else weights * undone
    if weights is None or not _is_mean(loss):
        return loss(logits, labels, weight=weights, ignore_index=index)
    # mmseg's would round the weights to 32 bits, in double precision, too.
    pixels = weights * loss(
        logits, labels, ignore_index=index, reduction_override='none'
    )
    if loss.avg_non_ignore:
        return mean_of_valid(pixels, labels != index)
    return mean_of_valid(pixels)


def _is_mean(loss: BaseModule) -> bool:
    """Whether a loss is the mean of pixels, weighted by classes or not."""
    return (
        type(loss) is CrossEntropyLoss
        and not (loss.use_sigmoid or loss.use_mask)
        and loss.reduction == 'mean'
    )


def true_label_weights(
    class_weight: Tensor, labels: Tensor, pseudo: Tensor | None, index: int
) -> Tensor:
    """Factors of the pixels' losses by class, of true labels alone.

    A rare class weighs more as its few labels are known to be right. The
    pseudo-labels of a network that has learned so name it too often already;
    weighed in the same way, they would make that worse in each iteration.

    Args:
        class_weight: (C,).
        labels: (N, H, W) train ids.
        pseudo: (N, H, W) bool, where they are pseudo-labels, or None.
        index: Train id of pixels without a label.

    Returns:
        (N, H, W): the weight of the class, 1 of pseudo-labels, and 0 where
        there is no label.
    """
    valid = labels != index
    weights = class_weight[labels.where(valid, 0)]
    if pseudo is not None:
        weights = weights.masked_fill(pseudo, 1)
    return weights.where(valid, 0)


def _mean_by_class(
    loss: CrossEntropyLoss,
    logits: Tensor,
    labels: Tensor,
    weights: Tensor | None,
    pseudo: Tensor | None,
    index: int,
) -> Tensor:
    classes = logits.new_tensor(loss.class_weight)
    factors = true_label_weights(classes, labels, pseudo, index)
    pixels = factors * cross_entropy(
        logits, labels, ignore_index=index, reduction='none'
    )
    if weights is not None:
        pixels = weights * pixels
    total = factors.sum()
    smallest = torch.finfo(total.dtype).tiny
    mean = pixels.sum() / total.clamp(min=smallest)
    return loss.loss_weight * of_all_processes(mean, total)


def _undone_class_weights(
    logits: Tensor, class_weight: Tensor, labels: Tensor, pseudo: Tensor
) -> Tensor:
    """Factors (N, H, W) that take class weights of pseudo-labels back."""
    weights = class_weight.to(logits)
    inverse = 1 / weights.where(weights > 0, 1)
    known = labels < len(weights)
    return inverse[labels.where(known, 0)].where(pseudo & known, 1)


@torch.no_grad()
def gather_padded(*maps: Tensor, fill: float) -> tuple[Tensor, ...]:
    """Values of all processes, which all have to call this.

    Args:
        *maps: Tensors of one size, which may differ between processes as
            that of images that are not cropped.
        fill: Stands at the end of the values of a process that has less than
            another.

    Returns:
        For each map (P,) values of the processes one after another, without
        a gradient; in a single process the values of the map.
    """
    size = maps[0].numel()
    largest = torch.tensor(size)
    all_reduce(largest, op='max')
    padding = (0, int(largest) - size)
    return tuple(
        torch.cat(all_gather(pad(values.flatten(), padding, value=fill)))
        for values in maps
    )
