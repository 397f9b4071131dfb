"""Each alarm by numbers that are just enough, and just not."""

import pytest
import torch
from label_free_cases import certain_logits

from mmuda.evaluation.accuracy_estimates import SourceState
from mmuda.evaluation.harm_alarms import (
    Evidence,
    HarmThresholds,
    harm_report,
)
from mmuda.evaluation.label_free_state import LabelFreeState
from mmuda.utils.errors import CheckpointError, ConfigError

CLASSES = ('road', 'sky', 'car')


def evidence(pixels, height=50.0, views=None, right=None, pool=None):
    """Of images (1, 100) with so many pixels of each class.

    Args:
        pixels: Numbers of the classes for each image.
        height: Of the logits.
        views: (C, C) pixels of two views.
        right: Right ones of each class's 100 source pixels.
        pool: Agreement in percent.
    """
    state = LabelFreeState(3)
    for counts in pixels:
        labels = torch.arange(3).repeat_interleave(torch.tensor(counts))
        state.update(certain_logits(labels[None, None], 3, height))
    if views is not None:
        state['views'].add_(torch.tensor(views))
        state['view_images'].add_(1)
    source = None
    if right is not None:
        source = SourceState(3)
        for index, count in enumerate(right):
            source.confusion[index, index] = count
            source.confusion[index, (index + 1) % 3] += 100 - count
    return Evidence(state, source, pool)


EVEN = [(34, 33, 33)] * 20
STEADY = [[9, 1, 0], [0, 9, 0], [0, 0, 9]]
STEADIER = [[9, 0, 0], [0, 9, 0], [0, 0, 9]]


def names(*args, **kwargs):
    report = harm_report(*args, classes=CLASSES, **kwargs)
    return [alarm.name for alarm in report.alarms]


def test_nothing_is_wrong():
    same = evidence(
        EVEN,
        views=[[9, 1, 0], [0, 9, 0], [0, 0, 9]],
        right=[90] * 3,
        pool=90.0,
    )
    report = harm_report(same, same, CLASSES, earlier=same, changed=0.0)
    assert report.alarms == ()
    assert report.unknown == ()
    assert not report.harms
    assert 'no reason' in report.lines()[-1]


def test_labels_that_nobody_knows_are_not_judged():
    found = evidence(EVEN, views=STEADY, right=[90] * 3, pool=90.0)
    report = harm_report(found, found, CLASSES, earlier=found, changed=None)
    (line,) = report.unknown
    assert line.startswith('unstable labels, as this checkpoint or the ear')


def nothing():
    """Of a network whose predictions are no numbers."""
    state = LabelFreeState(3)
    state.update(torch.full((2, 3, 4, 5), torch.nan))
    return Evidence(state)


def test_a_network_of_no_numbers_harms():
    limits = HarmThresholds(alarms=7)
    before = evidence(EVEN, right=[90] * 3)
    report = harm_report(nothing(), before, CLASSES, limits)
    assert report.harms
    # Nothing else can be said of it, and source labels there are.
    assert report.lines() == [
        'diverged: no prediction on the target is a number',
        'not looked at: all else, as it takes numbers',
        '1 alarm: adaptation probably harms; compare with the source-only '
        'checkpoint before you use this one',
    ]


def test_source_only_of_no_numbers_is_refused():
    with pytest.raises(CheckpointError, match='of source-only .* another'):
        harm_report(evidence(EVEN), nothing(), CLASSES)


def test_source_images_without_a_label_are_none():
    found = evidence(EVEN, right=[90] * 3)
    found.source.confusion.zero_()
    other = evidence([(100, 0, 0)] * 20)
    unlabelled = harm_report(other, found, CLASSES)
    without = harm_report(other, evidence(EVEN), CLASSES)
    assert unlabelled == without
    assert 'no labelled source' in unlabelled.unknown[0]


def test_all_road_is_a_collapse_and_a_takeover():
    before = evidence(EVEN, right=[90] * 3)
    after = evidence([(100, 0, 0)] * 20, right=[90] * 3)
    report = harm_report(after, before, CLASSES)
    assert [alarm.name for alarm in report.alarms] == [
        *('collapse', 'takeover', 'fallen BNM')
    ]
    assert report.harms
    collapse, takeover, fallen = report.alarms
    assert collapse.reasons == (
        'sky is predicted on 0 images, by source-only on 20 of 20',
        'car is predicted on 0 images, by source-only on 20 of 20',
    )
    assert takeover.reasons == (
        'road has 100.0 % of the target, by source-only 34.0 %',
    )
    # Of even classes it is 1, of a single one 1 / sqrt(3).
    assert fallen.reasons == (
        'BNM, of certain predictions of many classes, fell from 1.000 to '
        '0.577',
    )
    assert 'probably harms' in report.lines()[-1]


@pytest.mark.parametrize(('left', 'found'), [(0, True), (1, False)])
def test_images_of_a_collapsed_class(left, found):
    """Of 20 images 5 % is one."""
    car, none = (60, 39, 1), (60, 40, 0)
    before = evidence([car] * 20)
    after = evidence([car] * left + [none] * (20 - left))
    limits = HarmThresholds(common_class=0.005, ratio_left=0.0)
    alarms = names(after, before, thresholds=limits)
    assert ('collapse' in alarms) is found


@pytest.mark.parametrize(('left', 'found'), [(6, True), (7, False)])
def test_share_of_a_collapsed_class(left, found):
    """A third of the source; 0.2 of it is 6.7 %."""
    before = evidence([(60, 33, 7)], right=[90] * 3)
    after = evidence([(60, 40 - left, left)], right=[90] * 3)
    assert ('collapse' in names(after, before)) is found


@pytest.mark.parametrize(('labelled', 'found'), [(1, []), (9, ['collapse'])])
def test_images_of_a_class_that_the_source_hardly_has(labelled, found):
    # Of less than 1 % of the source's pixels; a fifth of that is more than
    # source-only predicts.
    before = evidence([(50, 49, 1)] + [(50, 50, 0)] * 19, right=[90] * 3)
    before.source.confusion[2] = torch.tensor([0, 0, labelled])
    after = evidence([(50, 50, 0)] * 20)
    assert names(after, before) == found


def test_rare_on_the_target_by_source_only_too():
    before = evidence([(60, 35, 5)], right=[90] * 3)
    after = evidence([(60, 36, 4)], right=[90] * 3)
    assert names(after, before) == []


@pytest.mark.parametrize(
    ('before', 'after', 'found'),
    [(25, 51, True), (26, 51, False), (20, 50, False)],
)
def test_takeover(before, after, found):
    rest = (100 - before) // 2
    old = evidence([(before, rest, 100 - before - rest)])
    rest = (100 - after) // 2
    new = evidence([(after, rest, 100 - after - rest)])
    assert ('takeover' in names(new, old)) is found


@pytest.mark.parametrize(
    ('height', 'views', 'found'),
    [(50.0, STEADY, True), (50.0, STEADIER, False), (1.1, STEADY, False)],
)
def test_overconfident(height, views, found):
    before = evidence(EVEN, height=1.0, views=STEADY)
    after = evidence(EVEN, height=height, views=views)
    assert ('overconfident' in names(after, before)) is found


@pytest.mark.parametrize(('least', 'found'), [(14, ['fallen BNM']), (16, [])])
def test_fallen_bnm(least, found):
    """The sum of the roots of the shares of certain classes, by sqrt(3)."""
    # 1.7317 of even ones; of 0.14, 0.43, 0.43 it is 1.6856, 2.7 % less; of
    # 0.16, 0.42, 0.42 it is 1.6962, 2.05 % less.
    before = evidence(EVEN)
    rest = (100 - least) // 2
    after = evidence([(rest, rest, least)] * 20)
    limits = HarmThresholds(bnm_drop=0.024)
    assert names(after, before, thresholds=limits) == found


@pytest.mark.parametrize(
    ('height', 'found'), [(50.0, []), (2.7, []), (2.3, ['fallen BNM'])]
)
def test_bnm_of_unsure_predictions(height, found):
    """Of even classes (1 + 2 d) / 3, d = (e^height - 1) / (e^height + 2).

    0.88 and 0.83: by 10 % it has fallen in runs on real data that gain.
    """
    assert names(evidence(EVEN, height), evidence(EVEN)) == found


@pytest.mark.parametrize(('right', 'found'), [(88, True), (89, False)])
def test_forgetting(right, found):
    """IoU with r of 100 right is r / (200 - r)."""
    before = evidence(EVEN, right=[90 + 4] * 3)
    after = evidence(EVEN, right=[right] * 3)
    # 94 / 106 = 0.8868, of which 0.798; 89 / 111 = 0.8018, 88 / 112 = 0.7857
    assert ('forgetting' in names(after, before)) is found


@pytest.mark.parametrize(('pool', 'found'), [(89.9, True), (90.0, False)])
def test_against_the_pool(pool, found):
    after, before = evidence(EVEN, pool=pool), evidence(EVEN, pool=90.0)
    assert ('against the pool' in names(after, before)) is found


def with_confidences(target_right):
    """Source: half of each class is right, from 0.8 on; target: so many."""
    state, source = LabelFreeState(3), SourceState(3)
    rows = torch.tensor([[0.9, 0.06, 0.04], [0.6, 0.3, 0.1]])
    source.update(rows.t()[None, :, None], torch.tensor([[[0, 1]]]))
    chosen = torch.tensor([0] * target_right + [1] * (10 - target_right))
    state.update(rows[chosen].t()[None, :, None], are_logits=False)
    return Evidence(state, source)


@pytest.mark.parametrize(
    ('right', 'changed', 'found'),
    [(4, 0.2, True), (6, 0.2, False), (4, 0.1, False)],
)
def test_unstable_labels(right, changed, found):
    before = with_confidences(5)
    report = harm_report(
        with_confidences(right), before, CLASSES, None, before, changed
    )
    alarms = {alarm.name: alarm for alarm in report.alarms}
    assert ('unstable labels' in alarms) is found
    if found:
        (reason,) = alarms['unstable labels'].reasons
        assert '20.0 % of the labels' in reason
        assert '40.0 % are expected to be right instead of 50.0 %' in reason


def test_what_is_missing_is_said():
    report = harm_report(evidence(EVEN), evidence(EVEN), CLASSES)
    text = '\n'.join(report.lines())
    for missing in ('source images', 'seen twice', 'a pool', 'earlier'):
        assert missing in text


def test_one_alarm_is_no_verdict():
    after, before = evidence(EVEN, pool=80.0), evidence(EVEN, pool=90.0)
    report = harm_report(after, before, CLASSES)
    assert not report.harms
    assert 'fewer than the 2' in report.lines()[-1]
    strict = HarmThresholds(alarms=1)
    assert harm_report(after, before, CLASSES, strict).harms


@pytest.mark.parametrize(
    'wrong', [dict(images_left=1.5), dict(alarms=0), dict(source_drop='a')]
)
def test_wrong_thresholds(wrong):
    with pytest.raises(ConfigError, match=f'harm_report.{next(iter(wrong))}'):
        HarmThresholds(**wrong)
