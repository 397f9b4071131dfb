# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""ClassMix: paste whole classes of one image on another.

Olsson et al., ClassMix: Segmentation-Based Data Augmentation for
Semi-Supervised Learning, WACV 2021; between domains as in Gómez et al.,
Co-Training for Unsupervised Domain Adaptation of Semantic Segmentation
Models, Sensors 2023.
"""

import torch
from torch import Tensor

from mmuda.utils.errors import ConfigError
from mmuda.utils.names import IGNORE_ID


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
