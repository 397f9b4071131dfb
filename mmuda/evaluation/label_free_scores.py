# Copyright (c) mmuda authors.
"""Scores of a network that need no labels of the target, from sums.

The higher a score the better. docs/label_free_validation.md says what each
needs and what fools it.
"""

import math

import torch
from torch import Tensor

from .label_free_state import LabelFreeState

# Share of the source's class ratio that counts as enough, as ADVENT's CP.
RELAXATION = 0.5
# Above this cross entropy to uniform MaNo takes softmax.
_MANO_LIMIT = 5.0
_SMALLEST_RATIO = 1e-6


def nuclear_norm(gram: Tensor) -> Tensor:
    """Sum of the singular values of a matrix P, from its Gram matrix.

    Args:
        gram: (C, C) P^T P in double precision.

    Returns:
        Scalar.
    """
    return torch.linalg.eigvalsh(gram).clamp(min=0).sqrt().sum()


def normalised_nuclear_norm(gram: Tensor, rows: int) -> float:
    r"""Batch nuclear norm, normalised.

    Cui et al., BNM, CVPR 2020: :math:`\|P\|_* / \sqrt{N C}`, 1 for certain
    predictions that are shared evenly among the classes, 1 / C for uniform
    ones and :math:`1 / \sqrt C` where all are certain of one class.

    Args:
        gram: (C, C) of N rows of probabilities.
        rows: Number of rows N.
    """
    if not rows:
        return math.nan
    return float(nuclear_norm(gram)) / math.sqrt(rows * len(gram))


def bnm(state: LabelFreeState) -> float:
    """Batch nuclear norm of all pixels, normalised."""
    return normalised_nuclear_norm(state['gram'], int(state['pixels']))


def corr_c(gram: Tensor) -> float:
    """Correlation between classes (Tu et al., 2023), negated.

    Args:
        gram: (C, C) Gram matrix of probabilities.

    Returns:
        -trace / Frobenius norm, from -sqrt(C) (classes apart and even) to -1.
    """
    return -float(gram.trace() / gram.norm())


def mean_entropy(state: LabelFreeState) -> float:
    """Mean entropy of the pixels in nats."""
    return float(state['entropy'] / state['pixels'])


def class_ratio(state: LabelFreeState) -> Tensor:
    """Mean probability of each class, (C,) float64."""
    return state['probability'] / state['pixels']


def certainty(state: LabelFreeState) -> float:
    """1 - mean entropy / ln C: 1 if certain everywhere, 0 if uniform."""
    return 1 - mean_entropy(state) / math.log(state.num_classes)


def information_maximisation(
    state: LabelFreeState, prior: Tensor | None = None
) -> float:
    r"""Certain pixels, and classes as frequent as on the source.

    :math:`-\bar H - KL(\bar p \| \pi)`. InfoMax rewards classes that are
    equally frequent, which those of streets are not; so the class ratio of
    the source's labels takes the place of the uniform one (ours).

    Args:
        state: Of the target.
        prior: (C,) class ratio of the source's labels; None for InfoMax's
            uniform one.
    """
    ratio = class_ratio(state)
    if prior is None:
        prior = torch.ones_like(ratio)
    prior = prior.to(ratio).clamp(min=_SMALLEST_RATIO)
    prior = prior / prior.sum()
    divergence = (
        torch.special.xlogy(ratio, ratio) - ratio * prior.log()
    ).sum()
    return -mean_entropy(state) - float(divergence)


def relaxed_information_maximisation(
    state: LabelFreeState, prior: Tensor, relaxation: float = RELAXATION
) -> float:
    """Certain pixels, and no class far rarer than on the source.

    -mean H - sum of max(0, relaxation * prior - ratio), the class-ratio prior
    of ADVENT (its equation 8) in place of the divergence (ours).

    Args:
        state: Of the target.
        prior: (C,) class ratio of the source's labels.
        relaxation: Part of the prior that is enough.
    """
    ratio = class_ratio(state)
    missing = (relaxation * prior.to(ratio) - ratio).clamp(min=0).sum()
    return -mean_entropy(state) - float(missing)


def mano(state: LabelFreeState) -> float:
    """MaNo (Xie et al., NeurIPS 2024) over all pixels.

    Fourth root of the mean fourth power of all probabilities: softmax where
    the mean cross entropy to uniform exceeds 5, else Taylor's, which needs
    logits. The published code takes means over batches.

    Returns:
        A number in (0, 1]; NaN of probabilities that need Taylor's.
    """
    pixels = state['pixels']
    certain = float(state['uniform_cross_entropy'] / pixels) > _MANO_LIMIT
    name = 'fourth_powers' if certain else 'fourth_powers_taylor'
    return float(state[name] / (pixels * state.num_classes)) ** 0.25


def mean_iou(confusion: Tensor) -> float:
    """Mean IoU over the classes that are in rows or columns.

    Args:
        confusion: (C, C) pixels.

    Returns:
        In percent; NaN without a pixel.
    """
    confusion = confusion.double()
    both = confusion.diagonal()
    union = confusion.sum(dim=0) + confusion.sum(dim=1) - both
    seen = union > 0
    if not seen.any():
        return math.nan
    return 100 * float((both[seen] / union[seen]).mean())


def agreement(confusion: Tensor) -> float:
    """Share of the pixels on the diagonal of a (C, C) table, in percent."""
    total = confusion.sum()
    return 100 * float(confusion.trace() / total) if total else math.nan


def consistency(state: LabelFreeState) -> float:
    """IoU of the predictions of two views, mean over classes, in percent."""
    return mean_iou(state['views'])


def confidence_based_iou(state: LabelFreeState) -> float:
    """Mean IoU if probabilities were right as often as they say.

    Confidence-based performance estimation (CBPE): a pixel counts as each
    class by its probability.

    Returns:
        In percent, over all classes.
    """
    return mean_iou(state['soft_confusion'])


def soft_dice(state: LabelFreeState) -> float:
    """Dice of probabilities and predictions, mean over classes.

    Returns:
        In percent, over the classes that have any probability.
    """
    soft = state['soft_confusion']
    size = soft.sum(dim=0) + soft.sum(dim=1)
    seen = size > 0
    if not seen.any():
        return math.nan
    return 200 * float((soft.diagonal()[seen] / size[seen]).mean())


def frobenius_norm(state: LabelFreeState) -> float:
    """Frobenius norm of all probabilities, normalised (FBNM).

    Returns:
        Root of the mean of sum p^2, from 1 / sqrt(C) to 1.
    """
    return math.sqrt(float(state['gram'].trace() / state['pixels']))


def label_free_scores(
    state: LabelFreeState, prior: Tensor | None = None
) -> dict[str, float]:
    """All scores that follow from the predictions on the target alone.

    Args:
        state: Of at least one pixel.
        prior: (C,) class ratio of the source's labels, without which IM_s and
            IM_s_relaxed are left out.

    Returns:
        Scores by name; ``consistency`` if there was a second view.
    """
    regions = int(state['regions'])
    scores = dict(
        BNM_r=normalised_nuclear_norm(state['region_gram'], regions),
        BNM=bnm(state),
    )
    if prior is not None:
        scores['IM_s'] = information_maximisation(state, prior)
        scores['IM_s_relaxed'] = relaxed_information_maximisation(state, prior)
    if state['view_images']:
        scores['consistency'] = consistency(state)
    scores['certainty'] = certainty(state)
    scores['FBNM'] = frobenius_norm(state)
    scores['MaNo'] = mano(state)
    scores['Corr-C'] = corr_c(state['gram'])
    smooth = state['equal_neighbours'] / state['neighbours']
    scores['smoothness'] = float(smooth)
    scores['CBPE_mIoU'] = confidence_based_iou(state)
    scores['soft_Dice'] = soft_dice(state)
    density = state['density'] / state['density_images']
    scores['SND'] = float(density)
    return scores
