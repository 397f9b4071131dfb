"""confusion_matrix.py on predictions made by hand."""

import csv

import cv2
import demo_data
import numpy as np
import pytest
from tools_in_process import load_tool, run_loaded

from mmuda.datasets import CityscapesLabelIdsDataset
from mmuda.datasets.pseudo_labels.pseudo_label_store import PseudoLabelManifest

TOOL = load_tool('analysis_tools/confusion_matrix.py')
CONFIG = demo_data.ROOT / 'configs/advent/gta2cs.py'
LOAD = [dict(type='LoadImage'), dict(type='LoadLabels')]


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return demo_data.write(tmp_path_factory.mktemp('data'), 2)


@pytest.fixture
def run(data, tmp_path, monkeypatch, capsys):
    def call(*words, code=0):
        roots = [f'source={data}/GTA5', f'target={data}/Cityscapes']
        fixed = [CONFIG, tmp_path / 'predicted', '--out', tmp_path / 'out']
        words = [*fixed, '--workers', 1, *words, '--data-root', *roots]
        found, printed = run_loaded(TOOL, words, monkeypatch, capsys)
        assert found == code, printed
        return printed

    return call


def labelled(data):
    prefix = dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val')
    return CityscapesLabelIdsDataset(
        data_root=str(data / 'Cityscapes'), data_prefix=prefix, pipeline=LOAD
    )


def stem_of(path):
    return path.rpartition('/')[2].removesuffix('.png')


def predict(dataset, folder, change=lambda label: label, by_key=True):
    """Write changed true labels, and return the true ones."""
    labels = []
    for sample in dataset:
        name = sample['key'] if by_key else stem_of(sample['img_path'])
        path = folder / 'predicted' / f'{name}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        labels.append(sample['gt_seg_map'])
        cv2.imwrite(str(path), change(labels[-1].copy()))
    return labels


def counts_in(folder):
    with (folder / 'out/confusion_matrix.csv').open() as file:
        rows = list(csv.reader(file))
    return np.array([row[1:] for row in rows[1:]], int)


def diagonal_of(labels):
    known = np.concatenate([label[label != 255] for label in labels])
    return np.bincount(known, minlength=19).tolist()


def reject_left_half(label):
    label[:, : label.shape[1] // 2] = 255
    return label


@pytest.mark.parametrize('by_key', [True, False])
def test_right_predictions(run, data, tmp_path, by_key):
    labels = predict(labelled(data), tmp_path, by_key=by_key)
    run()
    found = counts_in(tmp_path)
    assert found.diagonal().tolist() == diagonal_of(labels)
    assert found.sum() == found.diagonal().sum()


def test_predictions_of_one_class(run, data, tmp_path):
    labels = predict(labelled(data), tmp_path, lambda label: 0 * label + 13)
    run()
    found = counts_in(tmp_path)
    assert found[:, 13].tolist() == diagonal_of(labels)


def test_rejected_pixels_have_a_column(run, data, tmp_path):
    labels = predict(labelled(data), tmp_path, reject_left_half)
    run()
    left = [label[:, : label.shape[1] // 2] for label in labels]
    assert counts_in(tmp_path)[:, 19].tolist() == diagonal_of(left)


def test_labels_are_resized_to_smaller_predictions(run, data, tmp_path):
    predict(labelled(data), tmp_path, lambda label: 0 * label[::2, ::2])
    run()
    width, height = demo_data.SIZE
    assert 0 < counts_in(tmp_path).sum() <= 2 * width * height / 4


def test_training_images_of_the_target(run, data, tmp_path):
    labels = predict(labelled(data), tmp_path)
    prefix = 'train_dataloader.dataset.target.data_prefix.img_path'
    words = ['--domain', 'target', '--ground-truth', 'gtFine/val']
    run(*words, '--cfg-options', f'{prefix}=leftImg8bit/val')
    assert counts_in(tmp_path).diagonal().tolist() == diagonal_of(labels)


def test_table_and_picture(run, data, tmp_path):
    predict(labelled(data), tmp_path)
    printed = run()
    assert '2 of 2 images' in printed
    assert '| mean          |    100.00 | 100.00 | 100.00 |' in printed
    assert (tmp_path / 'out/confusion_matrix.png').is_file()


def remove_one(folder):
    next((folder / 'predicted').rglob('*.png')).unlink()


def test_a_missing_prediction(run, data, tmp_path):
    predict(labelled(data), tmp_path)
    remove_one(tmp_path)
    assert 'no predictions of 1 of 2 images' in run(code=2)


def test_a_part_of_the_images(run, data, tmp_path):
    predict(labelled(data), tmp_path)
    remove_one(tmp_path)
    assert '1 of 2 images' in run('--partial')


def test_one_prediction_of_two_images(run, tmp_path):
    for name in ('images/a', 'images/b', 'labels/a', 'labels/b', 'predicted'):
        path = tmp_path / name / 'x.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.zeros((4, 4), np.uint8))
    key = 'val_dataloader.dataset'
    options = [f'{key}.type=FolderDataset', f'{key}.img_suffix=.png']
    options += [f'{key}.data_prefix.img_path={tmp_path}/images']
    options += [f'{key}.data_prefix.seg_map_path={tmp_path}/labels']
    printed = run('--cfg-options', *options, code=2)
    assert "is the prediction of 'a/x' or of 'b/x'" in printed


def test_no_predictions_at_all(run):
    assert 'no predictions of 2 of 2 images' in run('--partial', code=2)


def test_pseudo_labels_of_other_classes(run, data, tmp_path):
    predict(labelled(data), tmp_path)
    PseudoLabelManifest(
        **dict(classes=('a', 'b'), num_images=2, keys_sha256='', rule={}),
        **dict(options={}, thresholds=dict(a=0.5, b=0.5)),
        **dict(pixels=dict(a=1, b=1), kept=dict(a=1, b=1)),
        **dict(config='x.py', checkpoints=()),
    ).write(tmp_path / 'predicted')
    assert 'have the classes a, b, the true labels road' in run(code=2)


def test_a_damaged_prediction_is_named(run, data, tmp_path):
    predict(labelled(data), tmp_path)
    path = next((tmp_path / 'predicted').rglob('*.png'))
    path.write_bytes(b'x')
    assert f"cannot read '{path}'" in run(code=2)


def test_labels_of_the_target_are_needed(run):
    printed = run('--domain', 'target', code=2)
    assert 'name their folder by --ground-truth' in printed


def test_validation_sets_know_their_labels(run):
    printed = run('--ground-truth', 'gtFine/train', code=2)
    assert "'val' is no target of the training" in printed


def test_sources_are_refused(run):
    assert 'choose val, test or a target' in run('--domain', 'source', code=2)
