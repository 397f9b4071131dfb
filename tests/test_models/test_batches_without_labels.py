"""Batches all of whose pixels are ignored: what is logged and said."""

import logging

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from tiny_models import logits_of, model_config, optim_config, source_batch

from mmuda.registry import MODELS


def built():
    torch.manual_seed(0)
    model = MODELS.build(model_config('SourceOnly'))
    model.init_weights()
    return model.train()


def ignored(rows, seed=0):
    """A batch of one image, of whose label so many rows are left."""
    data = source_batch(seed=seed)
    data['data_samples']['source'][0].gt_sem_seg.data[:, rows:] = 255
    return data


def step(model, data):
    return model.train_step(
        data, build_optim_wrapper(model, optim_config('SourceOnly'))
    )


@pytest.fixture
def warnings(caplog):
    logger = MMLogger.get_instance('without-labels')
    logger.addHandler(caplog.handler)
    yield lambda: [
        record.getMessage()
        for record in caplog.records
        if record.levelno == logging.WARNING
    ]
    logger.removeHandler(caplog.handler)


def test_there_is_no_accuracy_without_a_label():
    logs = step(built(), ignored(0))
    assert logs['source.decode.loss_ce'].item() == 0
    assert logs['source.decode.acc_seg'].isnan()
    assert logs['source.aux.acc_seg'].isnan()


def test_accuracy_is_of_the_labelled_pixels():
    model, data = built(), ignored(7)
    images = model.data_preprocessor(ignored(7), True).source.images
    logits = logits_of(model.segmentor, images)['decode']
    label = data['data_samples']['source'][0].gt_sem_seg.data[0, :7]
    found = model.upsample(logits, images).argmax(1)[0, :7]
    expected = 100 * (found == label).float().mean().item()
    accuracy = step(model, data)['source.decode.acc_seg'].item()
    assert accuracy == pytest.approx(expected, abs=1e-3)


def test_batches_without_labels_are_named_once(warnings):
    model = built()
    for seed in range(3):
        step(model, ignored(0, seed))
    assert [text for text in warnings() if 'ignored' in text] == [
        'Iteration 1: all pixels of the batch are ignored, none has a label '
        f'(source.{head}.acc_seg is nan); later ones like it are not reported'
        for head in ('decode', 'aux')
    ]


def test_one_labelled_pixel_is_enough(warnings):
    model, data = built(), ignored(0)
    data['data_samples']['source'][0].gt_sem_seg.data[0, 3, 5] = 2
    accuracy = step(model, data)['source.decode.acc_seg'].item()
    assert 100 * round(accuracy / 100) == pytest.approx(accuracy, abs=1e-3)
    assert not any('ignored' in text for text in warnings())
