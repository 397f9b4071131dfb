import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from PIL import Image

from mmuda.engine import LegendVisualizer
from mmuda.utils.drawing import legend

CLASSES = ('road', 'sky')
PALETTE = [[128, 64, 128], [70, 130, 180]]


def draw(folder, label):
    visualizer = LegendVisualizer(alpha=1.0)
    visualizer.dataset_meta = dict(classes=CLASSES, palette=PALETTE)
    sample = SegDataSample(pred_sem_seg=PixelData(data=label))
    image = np.zeros((20, 150, 3), np.uint8)
    file = folder / 'drawn.png'
    visualizer.add_datasample(
        'x', image, sample, draw_gt=False, out_file=str(file)
    )
    return np.asarray(Image.open(file))


@pytest.fixture
def drawn(tmp_path):
    label = torch.zeros(1, 20, 150, dtype=torch.long)
    label[:, :, 75:] = 1
    return draw(tmp_path, label)


def test_classes_have_their_colours(drawn):
    assert drawn[:20, :75].reshape(-1, 3).tolist() == [PALETTE[0]] * 1500
    assert drawn[:20, 75:].reshape(-1, 3).tolist() == [PALETTE[1]] * 1500


def test_the_legend_is_below(drawn):
    assert np.array_equal(drawn[20:], legend(CLASSES, PALETTE, 150))


def test_a_smaller_prediction_is_fitted_to_the_image(drawn, tmp_path):
    label = torch.zeros(1, 4, 10, dtype=torch.uint8)
    label[:, :, 5:] = 1
    assert np.array_equal(draw(tmp_path, label), drawn)
