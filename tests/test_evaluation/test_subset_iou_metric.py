import numpy as np
import pytest
import torch

from mmuda.evaluation import DomainIoUMetric
from mmuda.utils.errors import ConfigError

CLASSES = ('road', 'car', 'sky', 'bike')


def metric(subsets=None, **kwargs):
    result = DomainIoUMetric(subsets=subsets, **kwargs)
    result.dataset_meta = dict(classes=CLASSES)
    return result


def evaluate(evaluated, *pairs):
    """Evaluate images given as (prediction, label)."""
    for prediction, label in pairs:
        sample = dict(
            pred_sem_seg=dict(data=torch.tensor([prediction])),
            gt_sem_seg=dict(data=torch.tensor([label])),
            img_path='folder/x.jpg',
        )
        evaluated.process({}, [sample])
    return evaluated.evaluate(len(pairs))


# Confusion of both images together (rows labels, columns predictions):
# road 3 1 0, car 0 1 1, sky 0 0 2; one label is ignored.
FIRST = ([[0, 0, 1], [1, 2, 0]], [[0, 0, 0], [1, 1, 255]])
SECOND = ([[0, 2, 2]], [[0, 2, 2]])


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('IoU.road', 75.0),
        ('IoU.car', 33.33),
        ('IoU.sky', 66.67),
        ('mIoU', 58.33),
        ('aAcc', 75.0),
        ('mAcc', 75.0),
    ],
)
def test_values_of_two_images_together(name, value):
    assert evaluate(metric(), FIRST, SECOND)[name] == value


def test_absent_class_is_nan():
    assert np.isnan(evaluate(metric(), FIRST, SECOND)['IoU.bike'])


def test_subset():
    subsets = dict(mIoU2=['road', 'sky'])
    assert evaluate(metric(subsets), FIRST, SECOND)['mIoU2'] == 70.83


def test_subset_leaves_an_absent_class_out():
    subsets = dict(mIoU2=['car', 'bike'])
    assert evaluate(metric(subsets), FIRST, SECOND)['mIoU2'] == 33.33


def test_values_are_plain_numbers():
    for value in evaluate(metric(), FIRST, SECOND).values():
        assert isinstance(value, float)


def test_prefix():
    result = evaluate(metric(prefix='camvid'), FIRST)
    assert 'camvid/IoU.road' in result


def test_large_counts_are_exact():
    # In float32 the sum stays at 2**24, and the IoU at 100.
    many = torch.zeros(4)
    many[0] = 2**24
    wrong = torch.zeros(4)
    wrong[0] = 1
    evaluated = metric()
    images = [(many,) * 4] + [(0 * wrong, wrong, wrong, wrong)] * 2**12
    result = evaluated.compute_metrics(images)
    assert result['IoU.road'] == 99.98


def test_predictions_are_written(tmp_path):
    evaluate(metric(output_dir=str(tmp_path), format_only=True), FIRST)
    assert [path.name for path in tmp_path.iterdir()] == ['x.png']


def test_unknown_class_in_a_subset():
    with pytest.raises(ConfigError, match=r"mIoU2: \['train'\]"):
        metric(dict(mIoU2=['car', 'train']))


def test_empty_subset():
    with pytest.raises(ConfigError, match='at least one class'):
        metric(dict(mIoU0=[]))


def test_subset_with_a_name_of_mmseg():
    with pytest.raises(ConfigError, match='subsets.mIoU:'):
        metric(dict(mIoU=['car']))


def test_pixels_beyond_single_precision_are_counted():
    """A class of an image of 4097 x 4096 pixels."""
    prediction = torch.zeros(4097, 4096, dtype=torch.uint8)
    truth = prediction.clone()
    truth[0, 0] = 1
    truth[0, 1] = 255
    areas = metric().intersect_and_union(prediction, truth, 2, 255)
    count = 4097 * 4096
    assert [area.tolist() for area in areas] == [
        [count - 2, 0],
        [count - 1, 1],
        [count - 1, 0],
        [count - 2, 1],
    ]


def test_class_that_labels_can_not_be_is_nan_whatever_is_predicted():
    left_out = metric(dict(mean=['car', 'bike']))
    left_out.dataset_meta = dict(
        classes=CLASSES, unlabelled_classes=('sky', 'bike')
    )
    # Rows labels, columns predictions: road 3 1 1 0, car 0 2 0 1.
    pairs = ([0, 0, 0, 1, 2], [0] * 5), ([1, 1, 3], [1] * 3)
    values = evaluate(left_out, *(([p], [t]) for p, t in pairs))
    assert np.isnan([values['IoU.sky'], values['IoU.bike']]).all()
    assert values['IoU.road'] == 60.0
    assert values['IoU.car'] == 50.0
    assert values['mIoU'] == 55.0
    assert values['mean'] == 50.0
    assert values['aAcc'] == 62.5
    assert values['mAcc'] == 63.33
