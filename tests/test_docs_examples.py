"""The examples of the documentation work."""

import re
import shutil
import sys
from importlib import import_module

import numpy as np
import pytest
from doc_pages import PAGES, ROOT, blocks, examples
from mmengine.optim import build_optim_wrapper
from PIL import Image
from tiny_models import batch, model_config, optim_config

from mmuda.datasets.labels import label_maps
from mmuda.registry import DATASETS, MODELS
from mmuda.utils.config import load_config
from mmuda.utils.config_keys import check_config_keys

EXAMPLES = examples()
CONFIGS = sorted(
    name
    for name, code in EXAMPLES.items()
    if name.startswith('configs/') or '\n_base_ = ' in code
)
METHOD = 'mmuda/models/uda/self_confident.py'


@pytest.fixture(scope='module')
def checkout(tmp_path_factory):
    """The configs of the project and those of the examples."""
    folder = tmp_path_factory.mktemp('checkout')
    shutil.copytree(ROOT / 'configs', folder / 'configs')
    for name in CONFIGS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(EXAMPLES[name])
    return folder


@pytest.fixture
def self_confident(tmp_path, monkeypatch):
    """The example of "Add a method", imported and registered."""
    (tmp_path / 'example_method.py').write_text(EXAMPLES[METHOD])
    monkeypatch.syspath_prepend(tmp_path)
    yield import_module('example_method').SelfConfident
    MODELS.module_dict.pop('SelfConfident')
    del sys.modules['example_method']


@pytest.fixture
def rainville(tmp_path, monkeypatch):
    """The example of "Add a data set", imported and registered."""
    for table in ('ID_NAMES', 'VALID_IDS'):
        monkeypatch.setattr(label_maps, table, dict(vars(label_maps)[table]))
    exec(EXAMPLES['mmuda/datasets/labels/label_maps.py'], vars(label_maps))
    code = EXAMPLES['mmuda/datasets/sets/rainville.py']
    (tmp_path / 'example_dataset.py').write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    yield import_module('example_dataset').RainvilleDataset
    DATASETS.module_dict.pop('RainvilleDataset')
    del sys.modules['example_dataset']


@pytest.mark.parametrize('page', PAGES)
def test_python_blocks_name_their_file(page):
    codes = blocks(page, 'python')
    assert [c for c in codes if not re.match(r'# \S+\.py\n', c)] == []


def test_no_two_blocks_are_one_file():
    codes = [code for page in PAGES for code in blocks(page, 'python')]
    assert len(EXAMPLES) == len(codes)


@pytest.mark.parametrize('name', CONFIGS)
def test_example_config_has_no_unknown_keys(
    name, checkout, self_confident, rainville
):
    check_config_keys(load_config(checkout / name))


def test_example_method_is_short():
    assert len(EXAMPLES[METHOD].splitlines()) < 100


def test_example_method_trains(self_confident):
    config = model_config('SelfConfident', confidence_weights=dict(decode=0.1))
    model = MODELS.build(config)
    wrappers = build_optim_wrapper(model, optim_config('SelfConfident'))
    weight = model.segmentor.decode_head.conv_seg.weight
    before = weight.clone()
    logs = model.train_step(batch(), wrappers)
    assert -0.05 <= logs['target.decode.loss_confidence'] <= -0.01
    assert not weight.equal(before)


def test_example_dataset_reads_its_layout(rainville, tmp_path):
    town = 'train/wet'
    for folder in ('images', 'labels'):
        (tmp_path / folder / town).mkdir(parents=True)
    image = Image.new('RGB', (4, 2))
    image.save(tmp_path / 'images' / town / 'a.jpg')
    ids = np.array([[1, 2, 5, 9], [0, 11, 1, 1]], np.uint8)
    Image.fromarray(ids).save(tmp_path / 'labels' / town / 'a_ids.png')
    dataset = rainville(
        data_root=str(tmp_path),
        data_prefix=dict(img_path='images', seg_map_path='labels'),
        pipeline=[
            dict(type='LoadImage'),
            dict(type='LoadLabels'),
            dict(type='PackDomainInputs'),
        ],
    )
    label = dataset[0]['data_samples'].gt_sem_seg.data[0]
    assert label.tolist() == [[0, 1, 10, 13], [255, 255, 0, 0]]


def test_own_camera_on_a_small_network(checkout):
    """The size of its images, its classes and what is drawn of the source."""
    cfg = load_config(checkout / 'my_city_small.py')
    assert cfg.model.segmentor.decode_head.num_classes == 16
    loss = cfg.model.segmentor.decode_head.loss_decode
    assert len(loss.class_weight) == 16
    data = cfg.train_dataloader.dataset
    assert data.source.type == 'RareClassSampling'
    assert data.source.dataset.data_root == 'data/GTA5'
    shown = [data.target, cfg.val_dataloader.dataset]
    assert [part.pipeline[1].scale for part in shown] == [(284, 160)] * 2
    assert [part.label_table for part in shown] == ['train_ids'] * 2
