import math

from mmuda.engine.multi_target_loops import class_table, summary_table

RESULTS = dict(
    rome={
        'mIoU': 50.126,
        'aAcc': 90.0,
        'mAcc': 60.0,
        'IoU.sky': 75.0,
        'IoU.car': math.nan,
    },
    oslo={
        'mIoU': 70.0,
        'aAcc': 80.0,
        'mAcc': 71.0,
        'mIoU_1': 7.0,
        'IoU.sky': 55.5,
        'IoU.car': 2.0,
    },
)
MEAN = dict(mIoU=60.06, mAcc=65.5, aAcc=85.0)


def rows(table):
    """Cells of each row, the head first."""
    lines = [line for line in table.splitlines() if line.startswith('|')]
    return [[cell.strip() for cell in line.split('|')[1:-1]] for line in lines]


def test_classes_of_each_target():
    assert rows(class_table(RESULTS)) == [
        ['IoU', 'rome', 'oslo'],
        ['sky', '75.00', '55.50'],
        ['car', '-', '2.00'],
    ]


def test_targets_of_different_classes():
    results = dict(rome={'IoU.sky': 1.0}, oslo={'IoU.car': 2.0})
    assert rows(class_table(results))[1:] == [
        ['sky', '1.00', '-'],
        ['car', '-', '2.00'],
    ]


def test_metrics_without_classes():
    assert class_table(dict(rome=dict(entropy=0.5))) == ''


def test_summary():
    assert rows(summary_table(RESULTS, MEAN)) == [
        ['target', 'mIoU', 'mAcc', 'aAcc', 'mIoU_1'],
        ['rome', '50.13', '60.00', '90.00', '-'],
        ['oslo', '70.00', '71.00', '80.00', '7.00'],
        ['mean', '60.06', '65.50', '85.00', '-'],
    ]


def test_summary_with_a_target_that_was_left_out():
    found = rows(summary_table(dict(rome=RESULTS['rome']), MEAN, ['lima']))
    assert found[1:] == [
        ['rome', '50.13', '60.00', '90.00'],
        ['lima', 'not evaluated', '-', '-'],
        ['mean of 1', '60.06', '65.50', '85.00'],
    ]


def test_summary_without_metrics():
    # As of predictions that are only written.
    found = rows(summary_table(dict(rome={}), {}, ['lima']))
    assert found == [['target'], ['rome'], ['lima'], ['mean of 1']]
