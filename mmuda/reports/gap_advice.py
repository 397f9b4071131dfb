# Copyright (c) mmuda authors.
"""What differs between domains, as a table and with what to do about it."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from rich.table import Table

from mmuda.utils.text import join_some
from mmuda.utils.tool_commands import tool_command

from .domain_gap import DomainLook, class_distance, colour_distance

# From here on a difference is worth a change; rules of thumb of ours.
_COLOURS = 1.5
_HEIGHTS = 1.5
_STRETCHED = 1.15
_RARE = 1e-3
_ENTROPY = 1.25


def gap_table(looks: Sequence[DomainLook], source: DomainLook | None) -> Table:
    """A column for each domain.

    Args:
        looks: All domains.
        source: The one that others are compared with; None without.
    """
    table = Table('', title='How far the domains are apart')
    for look in looks:
        table.add_column(look.name, justify='right')
    rows: list[tuple[str, Callable[[DomainLook], str]]] = [
        ('images', lambda x: f'{x.images:,} ({len(x.sizes)} read)'),
        ('size on disk', lambda x: '{}x{}'.format(*x.size)),
        ('aspect ratio', lambda x: f'{x.size[0] / x.size[1]:.2f}'),
        ('seen as, before crops', lambda x: '{}x{}'.format(*x.seen)),
        ('mean of R, G, B', lambda x: _three(x.colours.mean)),
        ('deviation of R, G, B', lambda x: _three(x.colours.deviation)),
        ('colours: halves apart', lambda x: _grey_levels(x.within)),
    ]
    if source is not None:
        rows.append(('colours: from the source', lambda x: _from(source, x)))
    if any(look.pixels is not None for look in looks):
        rows.append(('pixels without label', lambda x: _percent(x.ignored)))
    if any(look.entropy is not None for look in looks):
        rows.append(('mean entropy', lambda x: _number(x.entropy)))
    for title, text in rows:
        table.add_row(title, *map(text, looks))
    return table


def class_table(
    looks: Sequence[DomainLook], classes: Sequence[str]
) -> Table | None:
    """Part of the labelled pixels of each class, in percent.

    Args:
        looks: All domains.
        classes: Names of the classes.

    Returns:
        None if no domain has labels.
    """
    labelled = [look for look in looks if look.ratios is not None]
    if not labelled:
        return None
    table = Table('class', title='Labelled pixels in %')
    for look in labelled:
        table.add_column(look.name, justify='right')
    for index, name in enumerate(classes):
        ratios = [x.ratios[index] for x in labelled if x.ratios is not None]
        table.add_row(name, *(f'{100 * ratio:.2f}' for ratio in ratios))
    return table


def _three(values: np.ndarray) -> str:
    return ', '.join(_level(value, 0) for value in values)


def _level(value: float, digits: int = 1) -> str:
    """A value in the units of the files, which may be fractions."""
    kind = '.2g' if 1e-3 < value < 1 else f'.{digits}f'
    return format(value, kind)


def _from(source: DomainLook, look: DomainLook) -> str:
    if look is source:
        return '–'
    return _level(colour_distance(source.colours, look.colours))


def _percent(share: float | None) -> str:
    return '–' if share is None else f'{100 * share:.1f} %'


def _grey_levels(distance: float | None) -> str:
    return '–' if distance is None else _level(distance)


def _number(value: float | None) -> str:
    return '–' if value is None else f'{value:.3f}'


def advice(
    source: DomainLook | None,
    targets: Sequence[DomainLook],
    evaluated: Sequence[DomainLook],
    classes: Sequence[str],
) -> Iterator[str]:
    """Tell what to do about each difference, or that there is none.

    Args:
        source: With labels; None without.
        targets: Those of training.
        evaluated: Validation sets whose labels are known, for comparison.
        classes: Names of the classes.

    Yields:
        Sentences.
    """
    for look in [*([source] if source else []), *targets]:
        yield from _stretched(look, source)
    if source is None:
        return
    for target in targets:
        yield _on_colours(source, target)
        yield _on_sizes(source, target)
        yield from _on_entropy(source, target)
    yield from _on_classes(source, classes)
    for look in evaluated:
        yield from _on_truth(source, look, classes)


def _on_colours(source: DomainLook, target: DomainLook) -> str:
    distance = colour_distance(source.colours, target.colours)
    known = [
        look.within for look in (source, target) if look.within is not None
    ]
    words = f'colours: {target.name!r} is {_level(distance)} grey levels away'
    if not known:
        return (
            f'{words}, and too few images were read to tell whether images of '
            'one domain are: compare more by --gap-images N'
        )
    usual = max(known)
    if distance <= _COLOURS * usual:
        return f'{words}, no more than images of one domain are: nothing to do'
    return (
        f'{words}, images of one domain {_level(usual)}: translate the '
        f'source by {tool_command("translate_lab.py")}, or jitter colours '
        "strongly (dict(type='ColorJitter'), as DACS does of mixed images)"
    )


def _on_sizes(source: DomainLook, target: DomainLook) -> str:
    heights = source.seen[1], target.seen[1]
    factor = max(heights) / min(heights)
    if factor < _HEIGHTS:
        return (
            f'sizes: {target.name!r} is seen {heights[1]} pixels tall, the '
            f'source {heights[0]}: nothing to do'
        )
    taller = source if heights[0] > heights[1] else target
    return (
        f'sizes: images of {taller.name!r} are seen {factor:.1f} times as '
        f'tall as the others ({heights[0]} and {heights[1]} pixels), and so '
        "are cars and people: put dict(type='Resize', scale=(width, height)) "
        'into the pipelines so that both have about the same height'
    )


def _stretched(look: DomainLook, source: DomainLook | None) -> Iterator[str]:
    width, height = look.sizes[0]
    ratio = look.seen[0] / look.seen[1]
    factor = ratio / (width / height)
    if _apart(factor) >= _STRETCHED:
        words = (
            f'shape: {look.name!r} is made {factor:.2f} times as wide for its '
            f'height as it is on disk, {ratio:.2f} times as wide as tall'
        )
        if source is not None and source is not look:
            other = source.seen[0] / source.seen[1]
            alike = _apart(ratio / other) < _STRETCHED
            words += ', as the source is' if alike else ''
            words += '' if alike else f' (the source: {other:.2f})'
        yield (
            f'{words}: were its files squeezed, and does this undo it? If '
            'not, choose a scale of its own ratio, or keep_ratio=True and a '
            'crop'
        )
    heights = [size[1] for size in look.sizes]
    if look.seen == look.sizes[0] and max(heights) >= _HEIGHTS * min(heights):
        yield (
            f'sizes: images of {look.name!r} are {min(heights)} to '
            f'{max(heights)} pixels tall and not resized: add '
            "dict(type='ResizeToFit', scale=(width, height))"
        )


def _apart(factor: float) -> float:
    return max(factor, 1 / factor)


def _on_entropy(source: DomainLook, target: DomainLook) -> Iterator[str]:
    if source.entropy is None or target.entropy is None:
        return
    words = (
        f'entropy: {target.entropy:.3f} on {target.name!r}, '
        f'{source.entropy:.3f} on the source'
    )
    if target.entropy > _ENTROPY * source.entropy:
        yield (
            f'{words}: the network is less sure there, a gap that adaptation '
            'can work on'
        )
    else:
        yield (
            f'{words}: the network is as sure there, right or wrong, so '
            'methods that lower the entropy (MinEnt, AdvEnt) have little to '
            'do; a teacher (DACS, DAFormer, MIC) does not need it'
        )


def _on_classes(source: DomainLook, classes: Sequence[str]) -> Iterator[str]:
    ratios = source.ratios
    if ratios is None:
        return
    pairs = [*zip(classes, ratios, strict=True)]
    absent = [name for name, ratio in pairs if ratio == 0]
    rare = [name for name, ratio in pairs if 0 < ratio < _RARE]
    read = len(source.sizes)
    if absent:
        yield (
            f'classes: none of {read} labels of the source has '
            f'{join_some(absent, 8)}: count all of them by '
            f'{tool_command("misc/class_statistics.py", "CONFIG")}; what no '
            'label has is not learned'
        )
    if rare:
        yield (
            f'classes: less than 0.1 % of the source is {join_some(rare, 8)}: '
            'let RareClassSampling draw such images more often'
        )
    if not absent and not rare:
        yield 'classes: all are common in the source: nothing to do'


def _on_truth(
    source: DomainLook, look: DomainLook, classes: Sequence[str]
) -> Iterator[str]:
    if source.ratios is None or look.ratios is None:
        return
    change = look.ratios - source.ratios
    largest = np.argsort(-np.abs(change))[:3]
    words = ', '.join(
        f'{classes[k]} {100 * source.ratios[k]:.1f} → '
        f'{100 * look.ratios[k]:.1f} %'
        for k in largest
    )
    share = 100 * class_distance(source.ratios, look.ratios)
    yield (
        f'class ratios: {share:.0f} % of the pixels of {look.name!r} are of '
        f'other classes than in the source ({words}); its labels are looked '
        'at for this report only, and no setting should be chosen by them'
    )
