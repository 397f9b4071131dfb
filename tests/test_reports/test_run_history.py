"""What was logged, read as one training and sorted into panels."""

import json
import math
import re

import numpy as np
import pytest

from mmuda.reports.run_history import read_history, read_records, smoothed
from mmuda.reports.run_panels import (
    Panel,
    class_curves,
    line_colours,
    panel_svg,
    panels_of,
)
from mmuda.utils.errors import DataError


def write_run(work_dir, name, records):
    folder = work_dir / name / 'vis_data'
    folder.mkdir(parents=True)
    lines = [json.dumps(record) for record in records]
    (folder / 'scalars.json').write_text('\n'.join(lines) + '\n')
    return folder / 'scalars.json'


def trained(step, **values):
    return {'iter': step, 'step': step, 'time': 0.5, **values}


def test_a_resumed_run_is_one_line_without_returns(tmp_path):
    first = [trained(s, **{'loss.segmentor': s}) for s in (10, 20, 30)]
    first.insert(2, dict(mIoU=1, step=20))
    # Went on from 20; 30 is trained once more.
    second = [trained(s, **{'loss.segmentor': 2 * s}) for s in (30, 40)]
    second.append(dict(mIoU=2, step=40))
    write_run(tmp_path, '20260101_000000', first)
    write_run(tmp_path, '20260102_000000', second)
    history = read_history(tmp_path)
    steps, values = history.training['loss.segmentor']
    assert steps.tolist() == [10, 20, 30, 40]
    assert values.tolist() == [10, 20, 60, 80]
    steps, values = history.validation['mIoU']
    assert (steps.tolist(), values.tolist()) == ([20, 40], [1, 2])
    assert history.seconds == 40 * 0.5
    assert [run.name[:8] for run in history.runs] == ['20260101', '20260102']


def test_a_training_that_was_started_anew_is_the_last_one(tmp_path):
    write_run(tmp_path, '20260101_000000', [trained(10, loss=1)])
    write_run(tmp_path, '20260102_000000', [trained(10, loss=2)])
    history = read_history(tmp_path)
    assert history.training['loss'][1].tolist() == [2]
    assert [run.name[:8] for run in history.runs] == ['20260102']


def test_tests_in_the_same_folder_are_no_trainings(tmp_path):
    write_run(tmp_path, '20260101_000000', [trained(10, loss=1)])
    write_run(tmp_path, '20260102_000000', [dict(mIoU=3, step=0)])
    assert read_history(tmp_path).validation == {}


def test_a_line_that_a_kill_has_cut_off_is_left_out(tmp_path):
    file = write_run(tmp_path, 'run', [trained(10), trained(20)])
    file.write_text(file.read_text() + '{"iter": 30, "st')
    assert [r['step'] for r in read_records(file)] == [10, 20]
    file.write_text('{"iter": 30, "st\n{"step": 40}\n')
    with pytest.raises(DataError, match=r'scalars.json, line 1.*remove'):
        read_records(file)


def test_a_folder_without_a_training_is_named(tmp_path):
    with pytest.raises(DataError, match=f"'{tmp_path}' holds no log"):
        read_history(tmp_path)


def test_smoothing_is_the_mean_of_neighbours():
    values = np.array([1.0, 2, 6, math.nan, 8])
    expected = [1.5, 3, 4, 7, 8]
    assert smoothed(values, 3).tolist() == expected
    assert smoothed(values[:3], 0).tolist() == [1, 2, 6]


def history_of(tmp_path, *names, validation=()):
    records = [trained(s, **dict.fromkeys(names, s)) for s in (10, 20)]
    records += [dict(dict.fromkeys(validation, 5.0), step=20)]
    write_run(tmp_path, 'run', records)
    return {p.title: p for p in panels_of(read_history(tmp_path))}


def test_losses_stand_with_their_players(tmp_path):
    panels = history_of(
        tmp_path,
        *('loss.segmentor', 'loss.discriminator'),
        *('source.decode.loss_ce', 'discriminator.decode.loss_source'),
        *('target.decode.acc_seg', 'target.pseudo_label_weight'),
        *('segmentor.lr', 'memory'),
    )
    assert {title: [*panel.curves] for title, panel in panels.items()} == {
        'Losses of segmentor': ['sum', 'source.decode.loss_ce'],
        'Losses of discriminator': ['sum', 'discriminator.decode.loss_source'],
        'Pseudo-labels and mixing, % of the pixels': [
            'target.pseudo_label_weight'
        ],
        'Right pixels while training, %': ['target.decode.acc_seg'],
        'Learning rates': ['segmentor.lr'],
        'Seconds an iteration': ['time'],
        'Also logged': ['memory'],
    }
    shares = panels['Pseudo-labels and mixing, % of the pixels']
    assert [*shares.curves.values()][0][1].tolist() == [1000, 2000]


def test_players_whose_names_begin_alike(tmp_path):
    players = ('discriminator', 'discriminator_idd', 'segmentor')
    panels = history_of(
        tmp_path,
        *(f'loss.{player}' for player in players),
        *(f'{player}.aux.loss_source' for player in players[:2]),
        'idd.decode.loss_adversarial',
    )
    assert [*panels['Losses of discriminator'].curves] == [
        *('sum', 'discriminator.aux.loss_source'),
    ]
    assert [*panels['Losses of discriminator_idd'].curves] == [
        *('sum', 'discriminator_idd.aux.loss_source'),
    ]
    assert [*panels['Losses of segmentor'].curves] == [
        *('sum', 'idd.decode.loss_adversarial'),
    ]


def test_a_run_of_mmseg_has_one_panel_of_losses(tmp_path):
    panels = history_of(tmp_path, 'loss', 'decode.loss_ce', 'lr')
    assert [*panels['Losses of segmentor'].curves] == [
        *('loss', 'decode.loss_ce'),
    ]


PERCENT = 'Validation, accuracy and agreement in %'


def test_scores_without_labels_are_not_beside_larger_ones(tmp_path):
    scores = dict(BNM_r=0.3, certainty=0.2, SND=4.5, consistency=60.0)
    scores['Corr-C'] = -1.2
    found = {f'label_free/{name}': value for name, value in scores.items()}
    write_run(tmp_path, 'run', [trained(10), dict(found, step=10)])
    panels = {p.title: p.curves for p in panels_of(read_history(tmp_path))}
    of_validation = {
        title: [name.partition('/')[2] for name in curves]
        for title, curves in panels.items()
        if title.startswith('Validation')
    }
    assert of_validation == {
        PERCENT: ['consistency'],
        'Validation, from 0 to 1': ['BNM_r', 'certainty'],
        'Validation, other values': ['SND', 'Corr-C'],
    }


def test_values_of_validations_by_target_and_class(tmp_path):
    names = ('rome/mIoU', 'rome/IoU.car', 'rome/aAcc', 'rome/entropy')
    panels = history_of(tmp_path, validation=[*names, 'data_time'])
    assert [*panels['Validation, mIoU in %'].curves] == ['rome/mIoU']
    assert [*panels['IoU by class on rome, %'].curves] == ['car']
    assert [*panels[PERCENT].curves] == ['rome/aAcc']
    assert [*panels['Validation, other values'].curves] == ['rome/entropy']
    assert class_curves({'IoU.car': 1, 'mIoU.fog': 2}) == {'': {'car': 1}}


@pytest.mark.parametrize(
    ('values', 'scale'),
    [([1, 2], 'linear'), ([0.01, 1], 'log'), ([-0.01, 1], 'linear')],
)
def test_the_scale_suits_the_values(values, scale):
    curve = np.arange(2), np.array(values, dtype=float)
    assert Panel('Losses', {'a': curve}).scale == scale
    assert Panel('IoU, %', {'a': curve}).scale == 'linear'


def test_numbers_at_the_axes_are_whole_ones():
    curve = np.array([2, 4, 6]), np.array([0.99891, 0.99892, 0.9989])
    panel = Panel('Validation', {'entropy': curve}, is_smoothed=False)
    drawn = panel_svg(panel, line_colours(1)).decode()
    texts = re.findall('<text[^>]*>([^<]*)</text>', drawn)
    assert {'0.99892', '0.9989', '2', '6'} <= {*texts}
    # Neither what all have in common apart, nor half an iteration.
    assert not any('+' in text or text.endswith('.5') for text in texts)


def test_negative_and_missing_values_are_drawn():
    curve = np.arange(50), np.linspace(-2, 3, 50)
    curve[1][7] = math.nan
    panel = Panel('Losses', {'a < b': curve})
    drawn = panel_svg(panel, line_colours(1)).decode()
    assert '−2' in drawn
    # The single values, and the mean over them.
    assert drawn.count('stroke: #1f77b4') == 2
