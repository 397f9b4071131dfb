"""Scores beside pseudo-labels."""

import json

import pytest
import torch
from labeling_runs import (
    CLASSES,
    build_model,
    dataset_config,
    label,
    write_images,
)
from mmengine.dataset import pseudo_collate

from mmuda.evaluation.label_free_scores import label_free_scores
from mmuda.evaluation.label_free_state import LabelFreeState
from mmuda.registry import DATASETS

SLIDE = dict(mode='slide', crop_size=(24, 24), stride=(16, 16))


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp('scored'), 3)


def scores_of(out):
    return json.loads((out / 'label_free.json').read_text())


def test_scores_are_those_of_the_small_logits(images, tmp_path):
    model, state = build_model(), LabelFreeState(CLASSES)
    label(images, tmp_path / 'labels', model)
    dataset = DATASETS.build(dataset_config(images))
    for index in range(len(dataset)):
        batch = pseudo_collate([dataset[index]])
        data = model.data_preprocessor(batch, False)
        with torch.no_grad():
            state.update(model.segmentor(data['inputs']))
    found = scores_of(tmp_path / 'labels')
    assert (found['images'], found['pixels']) == (3, state['pixels'])
    expected = label_free_scores(state)
    # Of probabilities Taylor's is not known.
    assert found['scores'].pop('MaNo') is None
    expected.pop('MaNo')
    assert found['scores'] == pytest.approx(expected, rel=1e-4)
    assert sum(found['class_ratio'].values()) == pytest.approx(1)


def test_they_can_be_left_out(images, tmp_path):
    label(images, tmp_path / 'labels', label_free=False)
    assert not (tmp_path / 'labels' / 'label_free.json').exists()
    label(images, tmp_path / 'with')
    texts = [
        (tmp_path / name / 'manifest.json').read_text()
        for name in ('labels', 'with')
    ]
    assert texts[0] == texts[1]


def test_soft_labels_do_not_change(images, tmp_path):
    for name, wanted in (('a', True), ('b', False)):
        label(images, tmp_path / name, soft_top_k=2, label_free=wanted)
    first, second = (
        {f.name: f.read_bytes() for f in (tmp_path / n).rglob('*.npz')}
        for n in 'ab'
    )
    assert first == second
    assert len(first) > 0


def test_sliding_windows_have_none(images, tmp_path):
    model = build_model()
    model.segmentor.test_cfg.update(SLIDE)
    label(images, tmp_path / 'labels', model, order='upsample_first')
    assert not (tmp_path / 'labels' / 'label_free.json').exists()
