# Copyright (c) mmuda authors.
"""Signs that adaptation has harmed, by what a source-only network would do.

No single number: each alarm says why, with classes and values. The referees
are what the training could not optimise itself: labelled source images, a
second view of each image, other checkpoints.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from torch import Tensor

from mmuda.utils.checks import COUNT, NOT_NEGATIVE, SHARE
from mmuda.utils.config_values import check_fields
from mmuda.utils.errors import CheckpointError

from .accuracy_estimates import SourceState, estimate_accuracy
from .label_free_scores import bnm, class_ratio, consistency, mean_entropy
from .label_free_state import LabelFreeState

DIVERGED = 'diverged'


@dataclass(frozen=True)
class HarmThresholds:
    """From where on something is an alarm.

    Attributes:
        common_class: Share of the source's pixels from which on a class can
            collapse.
        images_left: A class has collapsed that is predicted on fewer images
            than this share of those where source-only predicts it.
        ratio_left: A class has collapsed whose share of the target is below
            this part of its share on the source, while that of source-only is
            not.
        takeover_growth: A class takes over that is so many times as frequent
            as under source-only
        takeover_share: and has more than this share of the pixels.
        entropy_drop: Overconfident: mean entropy fell by more than this
            share, while two views of an image do not agree better.
        bnm_drop: Fallen BNM: it fell by more than this share.
        source_drop: Forgetting: mIoU on the source fell by more than this
            share.
        labels_changed: Unstable: more than this share of the labels differ
            from those of an earlier checkpoint, while fewer of them are
            expected to be right.
        alarms: From so many alarms on adaptation probably harms.

    Raises:
        ConfigError: A value lies outside its range.
    """

    common_class: Annotated[float, SHARE] = 0.01
    images_left: Annotated[float, SHARE] = 0.05
    ratio_left: Annotated[float, SHARE] = 0.2
    takeover_growth: Annotated[float, NOT_NEGATIVE] = 2.0
    takeover_share: Annotated[float, SHARE] = 0.5
    entropy_drop: Annotated[float, SHARE] = 0.4
    bnm_drop: Annotated[float, SHARE] = 0.15
    source_drop: Annotated[float, SHARE] = 0.1
    labels_changed: Annotated[float, SHARE] = 0.1
    alarms: Annotated[int, COUNT] = 2

    def __post_init__(self) -> None:
        check_fields(type(self), vars(self), 'harm_report')


@dataclass(frozen=True)
class Evidence:
    """What is known of a network without labels of the target.

    Attributes:
        state: Of its predictions on target images.
        source: On labelled source images; None without any.
        pool: Share of the target pixels in percent where it agrees with the
            mean of a pool of networks; None without a pool.
    """

    state: LabelFreeState
    source: SourceState | None = None
    pool: float | None = None


@dataclass(frozen=True)
class Alarm:
    """Something that is wrong.

    Attributes:
        name: ``diverged``, ``collapse``, ``takeover``, ``overconfident``,
            ``fallen BNM``, ``forgetting``, ``against the pool`` or
            ``unstable labels``.
        reasons: A sentence each, with classes and numbers.
    """

    name: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class HarmReport:
    """All alarms, and what could not be looked at.

    Attributes:
        alarms: In the order of the table of the documentation.
        unknown: What was missing for the others, a sentence each.
        thresholds: By which it was judged.
    """

    alarms: tuple[Alarm, ...]
    unknown: tuple[str, ...]
    thresholds: HarmThresholds

    @property
    def harms(self) -> bool:
        """Whether adaptation probably harms; a network of NaN surely does."""
        names = [alarm.name for alarm in self.alarms]
        return DIVERGED in names or len(names) >= self.thresholds.alarms

    def lines(self) -> list[str]:
        """The report in words."""
        found = []
        for alarm in self.alarms:
            found += [f'{alarm.name}: {reason}' for reason in alarm.reasons]
        found += [f'not looked at: {line}' for line in self.unknown]
        count = f'{len(self.alarms)} alarm{"s" * (len(self.alarms) != 1)}'
        verdict = (
            'adaptation probably harms; compare with the source-only '
            'checkpoint before you use this one'
            if self.harms
            else 'no reason to think that adaptation harms'
            if not self.alarms
            else f'fewer than the {self.thresholds.alarms} that make harm '
            'probable; look at its pictures'
        )
        return [*found, f'{count}: {verdict}']


def harm_report(
    adapted: Evidence,
    source_only: Evidence,
    classes: Sequence[str],
    thresholds: HarmThresholds | None = None,
    earlier: Evidence | None = None,
    changed: float | None = None,
) -> HarmReport:
    """Compare an adapted network with the source-only one.

    Args:
        adapted: Of the adapted network.
        source_only: Of the network that was trained on the source alone, on
            the same images.
        classes: Names of the classes.
        thresholds: What is an alarm; the defaults if None.
        earlier: Of an earlier checkpoint of the adapted network.
        changed: Share of the target pixels, in [0, 1], whose label differs
            from that of the earlier checkpoint; None if both know none.

    Raises:
        CheckpointError: Source-only predicts nothing to compare with.
    """
    if not source_only.state['pixels']:
        raise CheckpointError(
            'no prediction of source-only on the target is a number; compare '
            'with another checkpoint'
        )
    limits = thresholds or HarmThresholds()
    if not adapted.state['pixels']:
        alarm = Alarm(DIVERGED, ('no prediction on the target is a number',))
        return HarmReport((alarm,), ('all else, as it takes numbers',), limits)
    pair = _known_only(adapted), _known_only(source_only)
    adapted, source_only = pair
    looks = {
        'collapse': list(_collapse(*pair, classes, limits)),
        'takeover': list(_takeover(*pair, classes, limits)),
        'overconfident': list(_overconfident(*pair, limits)),
        'fallen BNM': list(_fallen_bnm(*pair, limits)),
        'forgetting': list(_forgetting(*pair, limits)),
        'against the pool': list(_against_pool(*pair)),
        'unstable labels': list(_unstable(adapted, earlier, changed, limits)),
    }
    return HarmReport(
        tuple(Alarm(name, tuple(r)) for name, r in looks.items() if r),
        tuple(_unknown(*pair, earlier, changed)),
        limits,
    )


def _known_only(evidence: Evidence) -> Evidence:
    """Without source images none of whose pixels tells anything."""
    source = evidence.source
    if source is not None and not source.pixels:
        return replace(evidence, source=None)
    return evidence


def _collapse(
    adapted: Evidence,
    source_only: Evidence,
    classes: Sequence[str],
    limits: HarmThresholds,
) -> Iterator[str]:
    """Yield classes that are gone, or nearly so."""
    new, old = adapted.state, source_only.state
    now, before = class_ratio(new).tolist(), class_ratio(old).tolist()
    prior = _prior(adapted, source_only).tolist()
    images = zip(
        new['images_with'].tolist(), old['images_with'].tolist(), strict=True
    )
    for index, (left, had) in enumerate(images):
        name, usual = classes[index], prior[index]
        if usual >= limits.common_class and left < limits.images_left * had:
            yield (
                f'{name} is predicted on {left} images, by source-only on '
                f'{had} of {int(old["images"])}'
            )
        elif (
            usual > 0
            and now[index] < limits.ratio_left * usual <= before[index]
        ):
            yield (
                f'{name} has {_percent(now[index])} of the target, by '
                f'source-only {_percent(before[index])}, of the source '
                f'{_percent(usual)}'
            )


def _takeover(
    adapted: Evidence,
    source_only: Evidence,
    classes: Sequence[str],
    limits: HarmThresholds,
) -> Iterator[str]:
    """Yield a class that covers most of the images."""
    ratios = zip(
        classes,
        class_ratio(adapted.state).tolist(),
        class_ratio(source_only.state).tolist(),
        strict=True,
    )
    for name, now, before in ratios:
        grown = now > limits.takeover_growth * before
        if grown and now > limits.takeover_share:
            yield (
                f'{name} has {_percent(now)} of the target, by source-only '
                f'{_percent(before)}'
            )


def _overconfident(
    adapted: Evidence, source_only: Evidence, limits: HarmThresholds
) -> Iterator[str]:
    """Yield if the network is surer without being steadier."""
    if not _have_views(adapted, source_only):
        return
    now, before = (mean_entropy(e.state) for e in (adapted, source_only))
    steady, was = (consistency(e.state) for e in (adapted, source_only))
    if now < (1 - limits.entropy_drop) * before and steady <= was:
        yield (
            f'mean entropy fell from {before:.3f} to {now:.3f} nats, while '
            f'the mIoU of two views went from {was:.1f} to {steady:.1f}'
        )


def _fallen_bnm(
    adapted: Evidence, source_only: Evidence, limits: HarmThresholds
) -> Iterator[str]:
    """Yield if predictions are unsure, or of fewer classes."""
    now, before = (bnm(e.state) for e in (adapted, source_only))
    if now < (1 - limits.bnm_drop) * before:
        yield (
            f'BNM, of certain predictions of many classes, fell from '
            f'{before:.3f} to {now:.3f}'
        )


def _forgetting(
    adapted: Evidence, source_only: Evidence, limits: HarmThresholds
) -> Iterator[str]:
    """Yield if the source is not known any more."""
    if adapted.source is None or source_only.source is None:
        return
    now, before = adapted.source.mean_iou, source_only.source.mean_iou
    if now < (1 - limits.source_drop) * before:
        yield f'mIoU on the source fell from {before:.1f} to {now:.1f}'


def _against_pool(adapted: Evidence, source_only: Evidence) -> Iterator[str]:
    """Yield if source-only is nearer to what all think together."""
    if adapted.pool is None or source_only.pool is None:
        return
    if adapted.pool < source_only.pool:
        yield (
            f'{adapted.pool:.1f} % of the pixels agree with the mean of the '
            f'pool, of source-only {source_only.pool:.1f} %'
        )


def _unstable(
    adapted: Evidence,
    earlier: Evidence | None,
    changed: float | None,
    limits: HarmThresholds,
) -> Iterator[str]:
    """Yield if labels still change, for the worse."""
    if earlier is None or changed is None:
        return
    if adapted.source is None or earlier.source is None:
        return
    now = estimate_accuracy(adapted.state, adapted.source).mean_precision
    before = estimate_accuracy(earlier.state, earlier.source).mean_precision
    if changed > limits.labels_changed and now < before:
        yield (
            f'{_percent(changed)} of the labels differ from those of the '
            f'earlier checkpoint, and {now:.1f} % are expected to be right '
            f'instead of {before:.1f} %'
        )


def _unknown(
    adapted: Evidence,
    source_only: Evidence,
    earlier: Evidence | None,
    changed: float | None,
) -> Iterator[str]:
    if adapted.source is None or source_only.source is None:
        yield (
            'forgetting and unstable labels, as there are no labelled source '
            'images; collapse takes the classes of source-only on the target '
            'for those of the source'
        )
    if not _have_views(adapted, source_only):
        yield 'overconfidence, as no image was seen twice'
    if adapted.pool is None or source_only.pool is None:
        yield 'agreement with a pool, as there is none'
    if earlier is None:
        yield 'unstable labels, as there is no earlier checkpoint'
    elif changed is None:
        yield (
            'unstable labels, as this checkpoint or the earlier one predicts '
            'no numbers'
        )


def _have_views(*evidence: Evidence) -> bool:
    return all(int(e.state['view_images']) for e in evidence)


def _prior(adapted: Evidence, source_only: Evidence) -> Tensor:
    """Class ratio of the source's labels, (C,)."""
    for evidence in (source_only, adapted):
        if evidence.source is not None:
            return evidence.source.class_ratio
    return class_ratio(source_only.state)


def _percent(share: float) -> str:
    return f'{100 * share:.1f} %'
