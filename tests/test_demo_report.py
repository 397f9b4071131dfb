"""The demo's table, and its pictures."""

import copy

import numpy as np
import predicting_network
import pytest
import torch
from mmengine.dataset import pseudo_collate
from PIL import Image

from demo.demo_report import rows
from mmuda.evaluation.comparison_pictures import (
    draw_comparison,
    load_models,
    spread_indices,
)
from mmuda.registry import DATASETS
from mmuda.utils.drawing import colourise

WIDTH, HEIGHT = 96, 48  # of the images' files
LINE, GAP = 20, 6  # of a title, and between tiles


def test_table_adds_up_iterations():
    first = dict(
        metrics={
            'cityscapes/mIoU': 44.46,
            'cityscapes/IoU.road': 90.0,
            'cityscapes/entropy': 0.1234,
            'idd/mIoU': 31.25,
            'idd/IoU.road': 70.0,
        },
        iterations=[300],
        seconds=84.6,
    )
    later = dict(first, iterations=[300, 150], seconds=40.0)
    assert rows({'source-only': first, 'HRDA': later}) == [
        ['target val', 'source-only', 'HRDA'],
        ['road', '90.0', '90.0'],
        ['mIoU', '44.5', '44.5'],
        ['mIoU on IDD', '31.2', '31.2'],
        ['pixel entropy', '0.123', '0.123'],
        ['iterations', '300', '300 + 150'],
        ['seconds of training', '85', '40'],
    ]


@pytest.fixture(scope='module')
def compared(tmp_path_factory):
    """Configs of one network at two sizes of images, and its weights."""
    parts = predicting_network.write(tmp_path_factory.mktemp('network'))
    small, large = (copy.deepcopy(parts['cfg']) for _ in range(2))
    for cfg, times in ((small, 1), (large, 2)):
        loader = cfg.test_dataloader
        loader.dataset.pipeline[1].scale = (times * WIDTH, times * HEIGHT)
        cfg.test_dataloader = [loader, loader]
    configs = {'small': small, 'large': large}
    return configs, dict.fromkeys(configs, str(parts['checkpoint']))


@pytest.fixture(scope='module')
def drawn(compared, tmp_path_factory):
    folder = tmp_path_factory.mktemp('pictures')
    return draw_comparison(*compared, folder, ['first', 'second'])


def plain_prediction(model, config):
    item = DATASETS.build(config.test_dataloader[0].dataset)[0]
    with torch.no_grad():
        sample = model.test_step(pseudo_collate([item]))[0]
    label = item['data_samples'].gt_sem_seg.data[0].numpy()
    return sample.pred_sem_seg.data[0].numpy(), label


def test_there_are_pictures_of_each_target(drawn):
    names = [
        f'{name}_{i:03d}.png' for name in ('first', 'second') for i in (0, 1)
    ]
    assert [file.name for file in drawn] == names
    assert all(file.is_file() for file in drawn)


def test_each_model_has_a_line_with_its_prediction_and_errors(compared, drawn):
    picture = np.asarray(Image.open(drawn[0]))
    models = load_models(*compared)
    predictions = []
    for line, (name, config) in enumerate(compared[0].items(), start=1):
        top = line * (LINE + HEIGHT) + LINE
        tiles = [
            picture[top : top + HEIGHT, x : x + WIDTH]
            for x in (0, WIDTH + GAP)
        ]
        predicted, label = plain_prediction(models[name].model, config)
        palette = models[name].datasets[0].metainfo['palette']
        np.testing.assert_array_equal(tiles[0], colourise(predicted, palette))
        red = (tiles[1] == (230, 30, 30)).all(2)
        wrong = (label != 255) & (predicted != label)
        np.testing.assert_array_equal(red, wrong)
        assert 0 < wrong.mean() < 1
        predictions.append(predicted)
    # Each model has seen the image in its own size.
    assert (predictions[0] != predictions[1]).any()


def test_images_are_spread_over_the_set():
    assert spread_indices(range(60), 3) == [0, 29, 59]
    assert spread_indices(range(2), 4) == [0, 1]
