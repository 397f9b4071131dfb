"""GTA5 -> Mapillary Vistas in the protocol of ADVENT."""

from pathlib import Path

import numpy as np
import pytest
from toy_images import make_image, make_label

from mmuda.datasets import DomainIndex
from mmuda.registry import DATASETS, METRICS, MODELS
from mmuda.utils.config import (
    load_config,
)
from mmuda.utils.config_data import (
    override_data_roots,
)
from mmuda.utils.config_keys import check_config_keys

BASES = Path(__file__).parents[2] / 'configs/_base_'
LEAF = f"""
_base_ = [
    '{BASES}/networks/deeplabv2_r50.py',
    '{BASES}/methods/minent.py',
    '{BASES}/settings/advent.py',
    '{BASES}/schedules/advent.py',
    '{BASES}/default_runtime.py',
]
setting = 'gta2mapillary'
"""


def make_pair(root, images, labels, size, ids):
    make_image(root / f'{images}.jpg', size=size)
    make_label(root / f'{labels}.png', np.full(size, ids, np.uint8), True)


@pytest.fixture
def cfg(tmp_path):
    """The leaf, with an upright Vistas image and wide ones."""
    gta5, vistas = tmp_path / 'GTA5', tmp_path / 'Mapillary'
    make_image(gta5 / 'images/00001.png', size=(9, 16))
    make_label(gta5 / 'labels/00001.png', np.full((9, 16), 22, np.uint8))
    for split in ('training', 'validation'):
        folders = f'{split}/images/', f'{split}/labels/'
        for key, size, ids in (('a', (40, 30), 29), ('b', (20, 40), 2)):
            make_pair(vistas, *(f + key for f in folders), size, ids)
    (tmp_path / 'leaf.py').write_text(LEAF)
    cfg = load_config(tmp_path / 'leaf.py')
    override_data_roots(cfg, dict(source=gta5, target=vistas))
    return cfg


def test_config_has_no_unknown_keys(cfg):
    check_config_keys(cfg)


def test_classes_agree_between_data_and_network(cfg):
    model = MODELS.build(cfg.model)
    assert model.segmentor.num_classes == 7
    for config in (cfg.train_dataloader.dataset, cfg.val_dataloader.dataset):
        assert len(DATASETS.build(config).metainfo['classes']) == 7


def test_training_sample(cfg):
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    item = dataset[DomainIndex((0, 0), 0)]
    shapes = {k: tuple(v.shape) for k, v in item['inputs'].items()}
    assert shapes == dict(source=(3, 720, 1280), target=(3, 768, 1024))
    # terrain of GTA5 is flat
    source, target = item['data_samples'].values()
    assert source.gt_sem_seg.data.unique().tolist() == [0]
    assert 'gt_sem_seg' not in target


@pytest.mark.parametrize(
    ('index', 'size', 'padding', 'class_'),
    [(0, (40, 30), (0, 448, 0, 0), 0), (1, (20, 40), (0, 0, 0, 256), 1)],
)
def test_validation_sample(cfg, index, size, padding, class_):
    item = DATASETS.build(cfg.val_dataloader.dataset)[index]
    assert item['inputs'].shape == (3, 768, 1024)
    data_sample = item['data_samples']
    assert data_sample.padding_size == padding
    assert data_sample.ori_shape == size
    assert data_sample.gt_sem_seg.data.shape == (1, *size)
    # terrain of Vistas is flat, a curb construction
    assert data_sample.gt_sem_seg.data.unique().tolist() == [class_]


def test_test_set_is_the_validation_set(cfg):
    assert cfg.test_dataloader.dataset == cfg.val_dataloader.dataset


def test_metric_is_named_after_the_target(cfg):
    assert METRICS.build(cfg.val_evaluator).prefix == 'mapillary'
