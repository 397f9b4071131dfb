# Copyright (c) mmuda authors.
"""ClassMix: paste whole classes of one image on another.

Olsson et al., ClassMix: Segmentation-Based Data Augmentation for
Semi-Supervised Learning, WACV 2021; between domains as in Gómez et al.,
Co-Training for Unsupervised Domain Adaptation of Semantic Segmentation
Models, Sensors 2023, and as in DACS (Tranheden et al., WACV 2021).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from mmengine.dist import all_reduce
from torch import Tensor

from mmuda.models.batch import DomainBatch
from mmuda.models.losses.averaging import averages_over_processes
from mmuda.utils.checks import SHARE
from mmuda.utils.errors import ConfigError
from mmuda.utils.json_files import read_json
from mmuda.utils.names import IGNORE_ID, MANIFEST, SOURCE
from mmuda.utils.tool_commands import tool_command


def pasted_classes(
    label: Tensor,
    generator: torch.Generator | None = None,
    difficulty: Tensor | None = None,
) -> Tensor:
    """Choose the classes of a source image that are pasted.

    Pixels of 255 are no class: they are neither counted nor pasted.

    Without ``difficulty`` it is a random half of the classes, rounded up:
    DACS (WACV 2021) and the code of Co-Training paste the larger half of an
    odd number, ClassMix' own code the smaller one. On class demand
    (Co-Training) it is the harder half of them, rounded down, but at least
    one.

    Args:
        label: (H, W) train ids.
        generator: Draws the random half; PyTorch's global one by default. On
            whatever device the label is, the draw is the generator's, so
            that a CPU and a GPU choose alike.
        difficulty: (C,) thresholds of the pseudo-labels by class; the lowest
            one belongs to the hardest class. Ties go to the lower id.

    Returns:
        (K,) train ids in ascending order, on the device of the label; empty
        if nothing is labelled.
    """
    present = label.unique()
    present = present[present != IGNORE_ID].long()
    count = len(present)
    if difficulty is None:
        device = torch.device('cpu') if generator is None else generator.device
        order = torch.randperm(count, generator=generator, device=device)
        chosen = order[: (count + 1) // 2].to(present.device)
    else:
        thresholds = difficulty.to(present.device)[present]
        order = thresholds.argsort(stable=True)
        chosen = order[: max(1, count // 2)]
    return present[chosen].sort().values


def class_mix(
    source_image: Tensor,
    source_label: Tensor,
    target_image: Tensor,
    target_label: Tensor,
    classes: Tensor,
) -> tuple[Tensor, Tensor]:
    """Paste the pixels of some classes of a source image on a target image.

    Args:
        source_image: (3, H, W).
        source_label: (H, W) or (1, H, W) train ids.
        target_image: (3, H, W).
        target_label: Of the form of the source's, 255 where a pseudo-label
            is rejected; a pasted pixel is labelled whatever it was before.
        classes: (K,) train ids that are pasted.

    Returns:
        The mixed image and its label, of the types of the target's.

    Raises:
        ConfigError: The images or labels are not of one size.
    """
    tensors = (source_image, source_label, target_image, target_label)
    check_one_size(*(tensor.shape[-2:] for tensor in tensors))
    pasted = torch.isin(source_label, classes.to(source_label))
    image = source_image.to(target_image).where(pasted, target_image)
    label = source_label.to(target_label).where(pasted, target_label)
    return image, label


# Labels are bytes, of which 255 is a class for DACS: what the source does not
# label then covers the target as well.
_IDS = 256
ClassesOf = Literal['batch', 'image']


def halves_of_classes(
    labels: Tensor,
    classes_of: ClassesOf = 'batch',
    generator: torch.Generator | None = None,
) -> Tensor:
    """Choose a random half of the classes for each image, as DACS does.

    The larger half of an odd number. Unlike in :func:`pasted_classes` 255
    counts as a class.

    Args:
        labels: (N, H, W) train ids.
        classes_of: Whether the half is of those in the whole ``batch``, as in
            DAFormer, HRDA and MIC, so that an image need not have what is
            chosen for it; or of those in the ``image``, as in DACS. Where
            losses are means over all processes, a batch is that of all.
        generator: Of the CPU; PyTorch's global one by default. The choice
            does not depend on the device of the labels.

    Returns:
        (N, 256) bool, whether a class is chosen for an image.
    """
    count = len(labels)
    present = torch.zeros(
        (count, _IDS), dtype=torch.uint8, device=labels.device
    )
    present.scatter_(1, labels.flatten(1), 1)
    if classes_of == 'batch':
        present = present.amax(dim=0)
        if averages_over_processes():
            all_reduce(present, op='max')
        present = present.expand(count, _IDS)
    present = present.bool()
    # Random keys instead of a permutation: nothing waits for the device.
    keys = torch.rand(count, _IDS, generator=generator).to(labels.device)
    keys.masked_fill_(~present, 2.0)
    ranks = keys.argsort(dim=1, stable=True).argsort(dim=1)
    halves = (present.sum(dim=1, keepdim=True) + 1) // 2
    return ranks < halves


def mix_classes(
    source: DomainBatch, target: DomainBatch, chosen: Tensor
) -> tuple[DomainBatch, Tensor]:
    """Paste some classes of each source image on a target image.

    Args:
        source: At least N images with labels; pasted pixels keep their
            weights, 1 if there are none. Padding is not pasted.
        target: N images with labels and weights.
        chosen: (N, 256) bool, whether a class is pasted.

    Returns:
        N images with labels and weights, valid where either is, and (N, H, W)
        bool, where the source is.

    Raises:
        ConfigError: The images are not of one size.
    """
    labels = source.require_labels()
    check_one_size(source.images.shape[-2:], target.images.shape[-2:])
    count = len(target.images)
    labels = labels[:count]
    pasted = chosen.gather(1, labels.flatten(1)).view_as(labels)
    valid = target.valid
    if source.valid is not None:
        pasted = pasted & source.valid[:count]
    if valid is not None:
        valid = valid | pasted
    assert target.weights is not None, 'of pseudo-labels'
    weights = torch.ones_like(target.weights)
    if source.weights is not None:
        weights = source.weights[:count].to(weights)
    mixed = DomainBatch(
        source.images[:count].where(pasted[:, None], target.images),
        labels.where(pasted, target.require_labels()),
        weights.where(pasted, target.weights),
        valid=valid,
        name=target.name,
        mixed_in=pasted,
    )
    return mixed, pasted


def check_one_size(*sizes: torch.Size) -> None:
    """Refuse images of a training batch that are not of one size.

    Args:
        *sizes: (H, W) of the images and labels of both domains.

    Raises:
        ConfigError: They differ.
    """
    if len(set(sizes)) > 1:
        found = ', '.join(
            f'{width}x{height}' for height, width in dict.fromkeys(sizes)
        )
        raise ConfigError(
            f'source and target images of a batch must have one size, not '
            f'{found}: end both pipelines (train_dataloader.dataset.source '
            'and .target) with a RandomCrop of one crop_size that no resized '
            'image is smaller than, or with PadToSize behind it'
        )


def halves(source: DomainBatch, target: DomainBatch) -> DomainBatch:
    """Put the first half of both domains into one batch.

    Args:
        source: Images with labels, which weigh 1 if there are no weights.
        target: N images with labels and weights.

    Returns:
        As many of each as is half of N, rounded down, but at least one; the
        source comes first.
    """
    labels = source.require_labels()
    check_one_size(source.images.shape[-2:], target.images.shape[-2:])
    assert target.weights is not None, 'of pseudo-labels'
    weights = source.weights
    if weights is None:
        weights = torch.ones_like(labels, dtype=target.weights.dtype)
    half = max(1, len(target.images) // 2)
    pairs = (
        (source.images, target.images),
        (labels, target.require_labels()),
        (weights, target.weights),
    )
    images, labels, weights = (
        torch.cat([one[:half], other[:half]]) for one, other in pairs
    )
    of_source = torch.arange(len(labels), device=labels.device) < half
    return DomainBatch(
        images,
        labels,
        weights,
        name=target.name,
        mixed_in=of_source[:, None, None].expand_as(labels),
    )


def weighted(batch: DomainBatch, weight: float) -> DomainBatch:
    """A labelled batch whose pixels weigh by one factor more or less.

    Args:
        batch: N images with labels, and weights if there are some.
        weight: Factor of the pixels' losses, on top of these.

    Raises:
        DataError: There are no labels.
    """
    labels = batch.require_labels()
    weights = torch.full_like(labels, weight, dtype=torch.float32)
    if batch.weights is not None:
        weights = weights * batch.weights
    of_source = torch.full_like(labels, batch.name == SOURCE, dtype=torch.bool)
    return DomainBatch(batch.images, labels, weights, mixed_in=of_source)


def join_batches(first: DomainBatch, second: DomainBatch) -> DomainBatch:
    """Put one weighted batch behind another of the same size of images."""
    parts = zip(_parts(first), _parts(second), strict=True)
    return _joined(torch.cat(pair) for pair in parts)


def paste_on_targets(
    source: DomainBatch,
    target: DomainBatch,
    choose: Callable[[Tensor], Tensor],
) -> DomainBatch:
    """Paste the last source images on the target images.

    Args:
        source: N_s images with labels and weights.
        target: N_t of the same size, at most N_s.
        choose: Gives the ids of the classes to paste for a label (H, W).

    Returns:
        The first N_s - N_t source images and N_t mixed ones. Pasted pixels
        keep the weights that they have in the source.

    Raises:
        ConfigError: There are more target than source images.
    """
    kept = len(source.images) - len(target.images)
    if kept < 0:
        raise ConfigError(
            f'ClassMix needs a source image for each target image, but a '
            f'batch has {len(source.images)} of the source and '
            f'{len(target.images)} of the target: raise source in '
            'train_dataloader.dataset.samples'
        )
    pure = _joined(part[:kept] for part in _parts(source))
    pasted = zip(*(part[kept:] for part in _parts(source)), strict=True)
    under = zip(*_parts(target), strict=True)
    mixed = [
        _paste(one, other, choose)
        for one, other in zip(pasted, under, strict=True)
    ]
    behind = _joined(map(torch.stack, zip(*mixed, strict=True)))
    return join_batches(pure, behind)


def _parts(batch: DomainBatch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images (N, 3, H, W); labels, weights and ``mixed_in`` (N, H, W)."""
    assert batch.weights is not None, 'as of weighted()'
    assert batch.mixed_in is not None, 'as of weighted()'
    labels = batch.require_labels()
    return batch.images, labels, batch.weights, batch.mixed_in


def _joined(parts: Iterable[Tensor]) -> DomainBatch:
    images, labels, weights, of_source = parts
    return DomainBatch(images, labels, weights, mixed_in=of_source)


def _paste(
    source: tuple[Tensor, ...],
    target: tuple[Tensor, ...],
    choose: Callable[[Tensor], Tensor],
) -> tuple[Tensor, ...]:
    image, label, *_ = source
    classes = choose(label)
    mixed = class_mix(image, label, target[0], target[1], classes)
    pasted = torch.isin(label, classes)
    rest = zip(source[2:], target[2:], strict=True)
    return *mixed, *(own.where(pasted, other) for own, other in rest)


Thresholds = str | Mapping[str, float | None] | Sequence[float | None]


def read_thresholds(
    thresholds: Thresholds | None, num_classes: int
) -> list[float]:
    """Thresholds of the pseudo-labels in the order of the train ids.

    Args:
        thresholds: The ``manifest.json`` of a labelling or its folder, or the
            values, by name or not, in the order of the train ids. None of a
            class becomes 0, the hardest: no pixel was predicted as it. None
            for all is refused.
        num_classes: Of the segmentor.

    Raises:
        ConfigError: There are none or of another number of classes, the file
            can't be read, or a value is no number.
    """
    if thresholds is None:
        raise ConfigError(
            "model.class_mix=dict(classes='demand') needs model.thresholds: "
            'the manifest.json of the pseudo-labels (or a value for each '
            "class); classes='random' does without"
        )
    where, values = 'model.thresholds', thresholds
    if isinstance(thresholds, str | Path):
        where = f'model.thresholds={str(thresholds)!r}'
        values = _of_manifest(Path(thresholds), where)
    if isinstance(values, Mapping):
        values = list(values.values())
    for value in values:
        if value is not None and not SHARE.fits(value):
            raise ConfigError(
                f'{where}: {value!r} is no threshold from 0 to 1'
            )
    if len(values) != num_classes:
        raise ConfigError(
            f'{where} holds {len(values)} values, but the segmentor has '
            f'{num_classes} classes: give those of a labelling of the same '
            'class set'
        )
    return [0.0 if value is None else float(value) for value in values]


def _of_manifest(path: Path, where: str) -> list[float | None]:
    path = path / MANIFEST if path.is_dir() else path
    try:
        content = read_json(path, 'generate the pseudo-labels anew')
        return [content['thresholds'][name] for name in content['classes']]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f'{where} is no {MANIFEST} of pseudo-labels '
            f'({type(error).__name__}: {error}); '
            f'{tool_command("generate_pseudo_labels.py")} writes it'
        ) from None
