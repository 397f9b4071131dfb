import csv
import json

import pytest

from mmuda.datasets.pseudo_labels.pseudo_label_store import PseudoLabelManifest
from mmuda.procedures.curves import (
    ClassSelection,
    draw_selections,
    gather_selections,
    write_curves,
)
from mmuda.procedures.stage import Stage
from mmuda.utils.names import MANIFEST


def make_stage(root, name, kept, accuracy=None):
    """A finished labelling of 200 pixels of road and none of sky."""
    folder = root / name / 'labels'
    folder.mkdir(parents=True)
    PseudoLabelManifest(
        classes=('road', 'sky'),
        num_images=1,
        keys_sha256='',
        rule={},
        options={},
        thresholds={'road': 0.9, 'sky': 0.5},
        pixels={'road': 200, 'sky': 0},
        kept={'road': kept, 'sky': 0},
        config='',
        checkpoints=(),
    ).write(folder)
    if accuracy is not None:
        classes = {
            'road': {'precision': accuracy, 'recall': 25.0},
            'sky': {'precision': None, 'recall': None},
        }
        content = {'overall': accuracy, 'classes': classes}
        (folder / 'accuracy.json').write_text(json.dumps(content))
    return Stage(f'{name}/label', '', (), folder / MANIFEST)


@pytest.fixture
def steps(tmp_path):
    return [
        (make_stage(tmp_path, 'self_training/cycle_0', 50, 75.0),),
        (
            make_stage(tmp_path, 'collaboration/cycle_0/a', 100),
            make_stage(tmp_path, 'collaboration/cycle_0/b', 150),
        ),
        (Stage('final/label', '', (), tmp_path / 'later' / MANIFEST),),
    ]


def test_kept_part_of_a_class(steps):
    roads = [row for row in gather_selections(steps) if row.name == 'road']
    assert [row.kept for row in roads] == [0.25, 0.5, 0.75]


def test_class_without_pixels_has_no_part(steps):
    assert gather_selections(steps)[1].kept is None


def test_precision_is_known_where_it_was_measured(steps):
    roads = [row for row in gather_selections(steps) if row.name == 'road']
    assert [row.precision for row in roads] == [0.75, None, None]


def test_table_has_a_row_for_each_class_and_labelling(steps, tmp_path):
    write_curves(steps, tmp_path)
    with open(tmp_path / 'selection.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert rows[0] == {
        'stage': 'self_training/cycle_0/label',
        'class': 'road',
        'threshold': '0.9',
        'pixels': '200',
        'kept pixels': '50',
        'kept': '0.25',
        'precision': '0.75',
        'recall': '0.25',
    }


def test_curves_are_drawn(steps, tmp_path):
    write_curves(steps, tmp_path)
    picture = (tmp_path / 'selection.png').read_bytes()
    assert picture.startswith(b'\x89PNG')


def test_lines_follow_each_model(steps):
    kept = draw_selections(gather_selections(steps)).axes[1]
    first, second = (line.get_ydata() for line in kept.get_lines()[:2])
    assert (list(first), list(second)) == ([0.25, 0.5], [0.25, 0.75])


def test_unknown_precision_is_not_drawn():
    row = ClassSelection('final/label', 'road', 0.9, 10, 5, None, None)
    assert len(draw_selections([row]).axes) == 2


def test_nothing_is_written_without_labels(tmp_path):
    write_curves([], tmp_path)
    assert list(tmp_path.iterdir()) == []
