"""The row of pictures of the first page."""

import re

import numpy as np
import predicting_network
import pytest
from doc_pages import ROOT, text_of
from mmengine.dataset import pseudo_collate
from PIL import Image
from tools_in_process import load_tool, run_loaded

from demo.strip import middle_gain
from mmuda.models.trained import load_trained
from mmuda.registry import DATASETS, MODELS
from mmuda.utils.drawing import colourise
from mmuda.utils.errors import DataError

WIDTH, HEIGHT, GAP, LINE = 264, 132, 6, 20  # of a picture; space; a title
FILE = 'docs/pictures/strip.png'
README = text_of('README.md')


@pytest.fixture
def network(tmp_path):
    return predicting_network.write(tmp_path)


def shown(array, method):
    picture = Image.fromarray(array).resize((WIDTH, HEIGHT), method)
    return np.asarray(picture.convert('RGB'), int)


def prediction(network):
    """Colours of the classes of the middle test image, and its path."""
    cfg = network['cfg']
    model = MODELS.build(cfg.model).eval()
    load_trained(model, str(network['checkpoint']))
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    sample = model.test_step(pseudo_collate([dataset[1]]))[0]
    labels = sample.pred_sem_seg.data[0].numpy()
    return colourise(labels, dataset.metainfo['palette']), sample.img_path


def test_strip_shows_both_domains_and_both_predictions(
    network, tmp_path, monkeypatch, capsys
):
    tool = load_tool('misc/draw_strip.py')
    file = tmp_path / 'new' / 'strip.png'
    model = [network['config'], network['checkpoint']]
    words = [*model, *model, '--out', file]
    assert run_loaded(tool, words, monkeypatch, capsys)[0] == 0
    picture = np.asarray(Image.open(file).convert('RGB'), int)
    assert picture.shape[1] == 4 * WIDTH + 3 * GAP
    tiles = [
        picture[LINE : LINE + HEIGHT, x : x + WIDTH]
        for x in range(0, 4 * (WIDTH + GAP), WIDTH + GAP)
    ]
    colours, target = prediction(network)
    data = tmp_path / 'data'
    (source,) = predicting_network.images_below(data / 'GTA5/images')
    smooth, sharp = Image.Resampling.LANCZOS, Image.Resampling.NEAREST
    for tile, path in zip(tiles, (source, target), strict=False):
        image = np.asarray(Image.open(path).convert('RGB'))
        # few colours are left
        assert np.abs(tile - shown(image, smooth)).mean() < 10
    for tile in tiles[2:]:
        assert np.abs(tile - shown(colours, sharp)).mean() < 10
    assert len({tuple(c) for c in tiles[2].reshape(-1, 3)}) > 1


@pytest.mark.parametrize(
    ('gains', 'place'),
    [
        ([9, -4, 2], 2),
        ([3, 1, 2, 0], 2),
        ([0, 0], 1),
        ([float('nan'), 5, 7, float('nan'), -1], 1),
    ],
)
def test_image_of_the_strip_has_the_middle_gain(gains, place):
    assert middle_gain(gains) == place


def test_strip_without_any_label_ends_in_words():
    with pytest.raises(DataError, match='no labels'):
        middle_gain([float('nan')])


def test_caption_has_the_numbers_of_training_as_long():
    row = next(x for x in README.splitlines() if 'mIoU' in x and 'HRDA' in x)
    said = re.search(r'mIoU ([\d.]+) and ([\d.]+)', row)
    table = text_of('docs/demo.md').split('<!-- demo-table -->')[1]
    rows = [
        [cell.strip() for cell in line.strip('|').split('|')]
        for line in table.strip().split('\n\n')[0].splitlines()
    ]
    values = dict(
        zip(rows[0], next(r for r in rows if r[0] == 'mIoU'), strict=True)
    )
    assert said.groups() == (values['source-longer'], values['HRDA'])


def test_strip_of_the_first_page_is_small():
    assert f']({FILE})' in README
    assert (ROOT / FILE).stat().st_size < 150_000
    assert Image.open(ROOT / FILE).size[0] == 4 * WIDTH + 3 * GAP
