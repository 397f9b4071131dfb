# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""ClassMix: paste whole classes of one image on another.

Olsson et al., ClassMix: Segmentation-Based Data Augmentation for
Semi-Supervised Learning, WACV 2021; between domains as in Gómez et al.,
Co-Training for Unsupervised Domain Adaptation of Semantic Segmentation
Models, Sensors 2023.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from mmuda.models.batch import DomainBatch
from mmuda.utils.checks import SHARE
from mmuda.utils.errors import ConfigError
from mmuda.utils.json_files import read_json
from mmuda.utils.names import IGNORE_ID, MANIFEST


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
    return DomainBatch(batch.images, labels, weights)


def join_batches(first: DomainBatch, second: DomainBatch) -> DomainBatch:
    """Put one weighted batch behind another of the same size of images."""
    parts = zip(_parts(first), _parts(second), strict=True)
    images, labels, weights = (torch.cat(pair) for pair in parts)
    return DomainBatch(images, labels, weights)


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
    images, labels, weights = _parts(source)
    pure = DomainBatch(images[:kept], labels[:kept], weights[:kept])
    pasted = zip(images[kept:], labels[kept:], weights[kept:], strict=True)
    under = zip(*_parts(target), strict=True)
    mixed = [
        _paste(one, other, choose)
        for one, other in zip(pasted, under, strict=True)
    ]
    images, labels, weights = map(torch.stack, zip(*mixed, strict=True))
    return join_batches(pure, DomainBatch(images, labels, weights))


def _parts(batch: DomainBatch) -> tuple[Tensor, Tensor, Tensor]:
    """Images (N, 3, H, W), labels and weights (N, H, W)."""
    assert batch.weights is not None, 'as of weighted()'
    return batch.images, batch.require_labels(), batch.weights


def _paste(
    source: tuple[Tensor, Tensor, Tensor],
    target: tuple[Tensor, Tensor, Tensor],
    choose: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor, Tensor]:
    label = source[1]
    classes = choose(label)
    mixed = class_mix(*source[:2], *target[:2], classes)
    pasted = torch.isin(label, classes)
    return *mixed, source[2].where(pasted, target[2])


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
            'tools/generate_pseudo_labels.py writes it'
        ) from None
