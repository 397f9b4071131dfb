import gloo
import pytest
import torch

from mmuda.evaluation import ConfusionMatrixMetric
from mmuda.registry import METRICS
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.setup_env import register_all_modules

CLASSES = ('road', 'car', 'sky')
# Truth and prediction; together road 3 right of 4, car 1 of 2, sky 1 of 1.
FIRST = ([[0, 0, 0], [1, 1, 255]], [[0, 0, 1], [1, 255, 0]])
SECOND = ([[0, 2]], [[0, 2]])


def metric(**options):
    result = METRICS.build(dict(type='ConfusionMatrixMetric', **options))
    result.dataset_meta = dict(classes=CLASSES)
    return result


def sample(truth, prediction):
    return dict(
        gt_sem_seg=dict(data=torch.tensor([truth])),
        pred_sem_seg=dict(data=torch.tensor([prediction])),
        img_path='folder/x.jpg',
    )


def evaluate(evaluated, *pairs):
    for pair in pairs:
        evaluated.process({}, [sample(*pair)])
    return evaluated.evaluate(len(pairs))


def test_means_over_the_classes():
    # Precision 100, 50 and 100 %, recall 75, 50 and 100 %.
    found = evaluate(metric(), FIRST, SECOND)
    assert found == dict(precision=83.33, recall=75.0)


def test_classes_without_a_value_are_left_out_of_the_means():
    found = evaluate(metric(), ([[0, 0]], [[0, 1]]))
    assert found == dict(precision=50.0, recall=50.0)


def test_prefix():
    assert 'camvid/recall' in evaluate(metric(prefix='camvid'), FIRST)


def test_images_of_different_sizes_make_one_matrix(tmp_path):
    evaluate(metric(out_dir=str(tmp_path)), FIRST, SECOND)
    assert (tmp_path / 'confusion_matrix.csv').read_text().splitlines() == [
        'truth / prediction,road,car,sky,rejected',
        'road,3,1,0,0',
        'car,0,1,0,1',
        'sky,0,0,1,0',
    ]


def test_each_evaluation_starts_anew(tmp_path):
    evaluated = metric(out_dir=str(tmp_path))
    evaluate(evaluated, FIRST)
    evaluate(evaluated, SECOND)
    text = (tmp_path / 'confusion_matrix.csv').read_text()
    assert 'road,1,0,0,0' in text


def test_the_picture_is_written(tmp_path):
    evaluate(metric(out_dir=str(tmp_path)), FIRST)
    assert (tmp_path / 'confusion_matrix.png').stat().st_size > 1000


def in_processes(folder):
    """Three images in two processes; the first comes twice."""
    register_all_modules()
    rank = torch.distributed.get_rank()
    mine = [(FIRST, SECOND), (SECOND, FIRST)][rank]
    evaluated = metric(out_dir=str(folder))
    for pair in mine:
        evaluated.process({}, [sample(*pair)])
    return evaluated.evaluate(3)


def test_padding_of_processes_does_not_count(tmp_path):
    found = gloo.run(in_processes, tmp_path, tmp_path / 'out')
    assert found[0] == found[1]
    text = (tmp_path / 'out/confusion_matrix.csv').read_text()
    # FIRST once and SECOND twice.
    assert 'road,4,1,0,0\ncar,0,1,0,1\nsky,0,0,2,0\n' in text


def test_labels_are_needed():
    unlabelled = sample(*FIRST)
    del unlabelled['gt_sem_seg']
    with pytest.raises(ConfigError, match='needs labels'):
        metric().process({}, [unlabelled])


def test_a_faulty_label_is_named():
    with pytest.raises(DataError, match=r'folder/x.jpg.*the class 7'):
        evaluate(metric(), ([[7]], [[0]]))


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(ConfigError, match='evaluator.out_dir: cannot write'):
        ConfusionMatrixMetric(out_dir=str(tmp_path / 'file'))
