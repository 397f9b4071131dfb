"""Curves over seeds, and pictures with the mIoU of an image."""

import math

import numpy as np

from experiments.learning_curves import draw_learning_curves, mean_curve
from mmuda.evaluation.comparison_pictures import image_miou, title_of
from mmuda.utils.drawing import stack


def test_curve_is_the_mean_where_all_seeds_are():
    iterations, mean, deviation = mean_curve(
        [{100: 20.0, 200: 30.0, 300: 31.0}, {200: 34.0, 100: 20.0}]
    )
    assert iterations.tolist() == [100, 200]
    assert mean.tolist() == [20, 32]
    np.testing.assert_allclose(deviation, [0, math.sqrt(8)])


def test_one_seed_has_no_band():
    assert mean_curve([{100: 20.0}])[2].tolist() == [0]


def test_each_row_has_a_line_of_its_own():
    curves = {f'row {n}': [{1: 1.0 * n, 2: 2.0}] for n in range(12)}
    figure = draw_learning_curves('Toys', curves)
    (axes,) = figure.axes
    looks = {(li.get_color(), li.get_linestyle()) for li in axes.get_lines()}
    assert len(looks) == 12
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == [*curves]
    figure.canvas.draw()
    # It lies outside of the axes.
    edge = axes.get_window_extent().x1
    assert legend.get_window_extent().x0 >= edge


def test_miou_of_an_image_is_that_of_its_classes():
    label = np.array([[0, 0, 0, 1], [2, 255, 255, 2]], np.uint8)
    predicted = np.array([[0, 0, 1, 1], [3, 3, 0, 2]])
    # 2 of 3, 1 of 2, 1 of 2; class 3 is not in the image.
    miou = 100 * (2 / 3 + 1 / 2 + 1 / 2) / 3
    assert math.isclose(image_miou(predicted, label, 4), miou)
    assert title_of('ESL', predicted, label, 4) == 'ESL: mIoU 55.6'


def test_miou_without_labels_is_none():
    label = np.full((2, 2), 255)
    assert math.isnan(image_miou(np.zeros((2, 2)), label, 3))


def test_pictures_are_stacked_on_white():
    tiles = [np.zeros((1, 2, 3), np.uint8), np.zeros((2, 1, 3), np.uint8)]
    picture = stack(tiles)
    assert picture.shape == (3, 2, 3)
    assert picture[..., 0].tolist() == [[0, 0], [0, 255], [0, 255]]
