"""The data of the co-training configs, on toy street scenes."""

import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import warm_processes
from mmengine.config import Config
from mmengine.dataset import ConcatDataset

from mmuda.datasets import DomainIndex, DomainInfiniteSampler
from mmuda.pseudo_labels.labelling_options import (
    PseudoLabelOptions,
    dataset_to_label,
)
from mmuda.registry import DATASETS
from mmuda.utils.config_keys import check_config_keys
from mmuda.utils.setup_env import register_all_modules
from street_scenes import (
    write_bdd100k,
    write_cityscapes,
    write_gta5,
    write_mapillary,
    write_synscapes,
    write_synthia,
)

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / 'configs/cotraining'
SETTINGS = {
    'gta2cs': (['GTA5'], 'Cityscapes'),
    'synscapes2cs': (['Synscapes'], 'Cityscapes'),
    'synthia2cs': (['SYNTHIA'], 'Cityscapes'),
    'gta_synscapes2cs': (['GTA5', 'Synscapes'], 'Cityscapes'),
    'gta_synscapes2bdd': (['GTA5', 'Synscapes'], 'BDD100K'),
    'gta_synscapes2mapillary': (['GTA5', 'Synscapes'], 'Mapillary'),
}
TWO_SOURCES = [name for name in SETTINGS if '_' in name]
RATIO = dict(source=4, target=3)
# Large enough for a crop in their own size.
LARGE = {'BDD100K': (1056, 594), 'Cityscapes': (1056, 528)}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Two or one training images and a validation image of each data set."""
    register_all_modules()
    folder = tmp_path_factory.mktemp('data')
    options = dict(workers=1, progress=False)
    for name, write in (
        ('GTA5', write_gta5),
        ('Synscapes', write_synscapes),
        ('SYNTHIA', write_synthia),
    ):
        write(folder / name, 2, size=(192, 96), **options)
    counts = dict(train=1, val=1)
    for name, write in (
        ('Cityscapes', write_cityscapes),
        ('BDD100K', write_bdd100k),
        ('Mapillary', write_mapillary),
    ):
        size = LARGE.get(name, (96, 72))
        write(folder / name, counts, size=size, **options)
    return folder


def leaf(name, stage=''):
    return Config.fromfile(CONFIGS / f'cotraining_{stage}{name}.py')


def config(name, data):
    """The config on the toy data; there are no pseudo-labels yet."""
    cfg = leaf(name)
    sources, target = SETTINGS[name]
    domains = cfg.train_dataloader.dataset
    parts = domains.source
    parts = parts if isinstance(parts, list) else [parts]
    parts = [part.get('dataset', part) for part in parts]  # rare classes
    for part, folder in zip(parts, sources, strict=True):
        part.data_root = str(data / folder)
    domains.target.data_root = str(data / target)
    cfg.val_dataloader.dataset.data_root = str(data / target)
    for transform in domains.target.pipeline:
        if transform.type == 'LoadPseudoLabels':
            transform.pseudo_label_root = str(data / 'none')
            transform.allow_missing = True
    return cfg


@pytest.mark.parametrize('name', [*SETTINGS, 'carla2camvid'])
def test_keys_are_known(name):
    check_config_keys(leaf(name))


@pytest.mark.parametrize('name', SETTINGS)
def test_crops_of_a_batch_have_one_size(name, data):
    cfg = config(name, data)
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    sampler = DomainInfiniteSampler(dataset, seed=0)
    item = dataset[next(iter(sampler))]
    numbers = {k: len(v) for k, v in item['inputs'].items()}
    expected = 2 if name == 'gta2cs' else 3
    assert numbers == dict(source=4, target=expected)
    shapes = {i.shape for images in item['inputs'].values() for i in images}
    assert shapes == {(3, 512, 1024)}


def test_samples_have_what_training_needs(data):
    dataset = config('synscapes2cs', data).train_dataloader.dataset
    item = DATASETS.build(dataset)[DomainIndex((1, 0), 0)]
    labels = item['data_samples']['source'].gt_sem_seg.data
    assert labels.shape == (1, 512, 1024)
    assert len(labels.unique()) > 5
    target = item['data_samples']['target']
    assert target.pseudo_sem_seg.data.unique().tolist() == [255]


@pytest.mark.parametrize('name', SETTINGS)
def test_a_mixed_image_has_a_source_image_of_its_own(name):
    mixed = leaf(name).train_dataloader.dataset.samples
    final = leaf(name, 'final_').train_dataloader.dataset.samples
    assert mixed.source - mixed.target == final.source
    assert mixed.target == final.target
    assert sum(final.values()) == 4


def test_baseline_has_four_source_images(data):
    cfg = leaf('gta2cs', 'baseline_')
    cfg.train_dataloader.dataset.source.dataset.data_root = str(data / 'GTA5')
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    assert dataset.samples == (4,)


@pytest.mark.parametrize('name', TWO_SOURCES)
def test_two_sources_are_one_domain(name, data):
    dataset = DATASETS.build(config(name, data).train_dataloader.dataset)
    assert isinstance(dataset.domains['source'], ConcatDataset)
    assert dataset.sizes[0] == 4
    item = dataset[DomainIndex(((0, 3), 0), 0)]
    paths = [s.img_path for s in item['data_samples']['source']]
    assert paths == [
        f'{data}/GTA5/images/00001.png',
        f'{data}/Synscapes/img/rgb-2k/2.png',
    ]


@pytest.mark.parametrize('name', SETTINGS)
def test_validation_is_judged_at_the_size_of_the_label(name, data):
    sample = DATASETS.build(config(name, data).val_dataloader.dataset)[0]
    label = sample['data_samples'].gt_sem_seg.data
    assert label.shape[1:] == sample['data_samples'].ori_shape
    height, width = sample['inputs'].shape[1:]
    assert min(height, width) == 1024
    assert max(height, width) <= 2048


@pytest.mark.parametrize('name', SETTINGS)
def test_whole_images_are_labelled(name, data):
    cfg = config(name, data)
    options = PseudoLabelOptions.from_config(cfg)
    assert options.original_size
    rule = options.build_rule()
    assert (rule.portion, rule.low, rule.high) == (0.5, 0.5, 0.9)
    chosen = DATASETS.build(dataset_to_label(cfg, options.pipeline))
    assert min(chosen[0]['inputs'].shape[1:]) == 1024


@pytest.mark.parametrize('name', SETTINGS)
def test_classes_agree(name, data):
    cfg = config(name, data)
    classes = [
        len(DATASETS.build(part).metainfo['classes'])
        for part in (cfg.train_dataloader.dataset, cfg.val_dataloader.dataset)
    ]
    assert classes == [16 if name == 'synthia2cs' else 19] * 2


def write_folder(root, keys, split):
    """Images of 400x300 with labels of road, and the list of their keys."""
    for key in keys:
        for folder, suffix in (('images', 'jpg'), ('labels', 'png')):
            path = root / folder / f'{key}.{suffix}'
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), np.zeros((300, 400), np.uint8))
    (root / split).write_text('\n'.join(keys))


def test_carla_to_camvid(tmp_path):
    register_all_modules()
    write_folder(tmp_path / 'CARLA', ['a', 'b'], 'train.txt')
    write_folder(tmp_path / 'CamVid', ['train/a', 'val/b'], 'day.txt')
    cfg = leaf('carla2camvid')
    domains = cfg.train_dataloader.dataset
    domains.source.data_root = str(tmp_path / 'CARLA')
    domains.target.data_root = str(tmp_path / 'CamVid')
    domains.target.pipeline[1].update(
        pseudo_label_root=str(tmp_path / 'none'), allow_missing=True
    )
    dataset = DATASETS.build(domains)
    item = dataset[next(iter(DomainInfiniteSampler(dataset, seed=0)))]
    assert {k: len(v) for k, v in item['inputs'].items()} == RATIO
    shapes = {i.shape for images in item['inputs'].values() for i in images}
    assert shapes == {(3, 128, 192)}


def test_data_check_without_pseudo_labels(data):
    overrides = [
        f'train_dataloader.dataset.source.{i}.data_root={data / name}'
        for i, name in enumerate(('GTA5', 'Synscapes'))
    ]
    run = warm_processes.run(
        [sys.executable, 'tools/misc/check_data.py', '--all']
        + [str(CONFIGS / 'cotraining_gta_synscapes2bdd.py')]
        + ['--data-root', f'target={data / "BDD100K"}']
        + ['--cfg-options', *overrides]
        + ['model.segmentor.backbone.init_cfg=None'],
        cwd=ROOT,
        env=os.environ | dict(PYTHONPATH=str(ROOT)),
    )
    assert run.returncode == 0, run.stderr
    assert 'source[1]: 2 images' in run.stdout
    assert 'pseudo-labels: none named' in run.stdout
    assert 'no fault found' in run.stdout
