"""LoveDA as published: towns and country from the air."""

from functools import cache

import aerial_tiles
import numpy as np
import pytest
from demo_data import ROOT
from mmseg.datasets import LoveDADataset as ConvertedLoveDA
from toy_images import keys_of, make_label

from mmuda.datasets import LoveDADataset
from mmuda.datasets.server_formats import FORMATS
from mmuda.models.terms.feature_distance import FeatureDistance
from mmuda.utils.config import load_config
from mmuda.utils.errors import ConfigError, DataError

LOAD = [dict(type='LoadImage'), dict(type='LoadLabels')]
LEAVES = [
    *('advent/source_only', 'advent/minent', 'advent/advent', 'dacs/dacs'),
    *('daformer/daformer', 'hrda/hrda', 'mic/mic'),
]


def places(split, domain):
    folder = f'{split}/{domain}'
    return dict(
        img_path=f'{folder}/images_png', seg_map_path=f'{folder}/masks_png'
    )


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp('data') / 'LoveDA'
    return aerial_tiles.write_loveda(folder, train=2, val=2, test=1)


def build(root, prefix, **options):
    return LoveDADataset(prefix, data_root=str(root), pipeline=LOAD, **options)


def test_classes_are_those_of_mmseg(root):
    meta = build(root, places('Train', 'Urban')).metainfo
    published = ConvertedLoveDA.METAINFO
    assert meta['classes'] == tuple(published['classes'])
    assert meta['palette'] == published['palette']
    assert meta['label_set'] == 'loveda7'


def test_ids_are_one_less_and_no_data_is_ignored(tmp_path):
    root = aerial_tiles.write_loveda(tmp_path / 'LoveDA', train=1, size=16)
    ids = np.arange(256, dtype=np.uint8).reshape(16, 16) % 8
    make_label(root / 'Train/Urban/masks_png/0.png', ids)
    labels = build(root, places('Train', 'Urban'))[0]['gt_seg_map']
    assert labels.tolist() == np.where(ids == 0, 255, ids - 1.0).tolist()


def test_an_id_that_is_none(tmp_path):
    root = aerial_tiles.write_loveda(tmp_path / 'LoveDA', train=1, size=16)
    path = root / 'Train/Urban/masks_png/0.png'
    make_label(path, np.full((16, 16), 8, np.uint8))
    with pytest.raises(DataError, match=r'0\.png.* has ids \[8\].*known are'):
        build(root, places('Train', 'Urban'))[0]


def test_splits_and_domains_are_told_apart(root):
    found = {
        (split, domain): keys_of(build(root, places(split, domain)))
        for split in ('Train', 'Val')
        for domain in ('Urban', 'Rural')
    }
    assert found == {
        ('Train', 'Urban'): ['0', '1'],
        ('Train', 'Rural'): ['2', '3'],
        ('Val', 'Urban'): ['4', '5'],
        ('Val', 'Rural'): ['6', '7'],
    }


def test_both_domains_at_once(root):
    dataset = build(root, places('Val', '*'))
    keys = ['Rural/6', 'Rural/7', 'Urban/4', 'Urban/5']
    assert keys_of(dataset) == keys
    assert dataset[3]['gt_seg_map'].tolist() == [
        [int(i) - 1 if i else 255 for i in row]
        for row in aerial_tiles.draw_tile('Urban', 5)[1]
    ]


def test_the_test_split_has_images_alone(root):
    dataset = build(root, dict(img_path='Test/Rural/images_png'))
    assert keys_of(dataset) == ['9']
    with pytest.raises(DataError, match='masks_png'):
        build(root, places('Test', 'Rural'))


def test_what_the_server_wants(root):
    server = FORMATS['loveda']
    classes = ConvertedLoveDA.METAINFO['classes']
    assert server.table(classes).tolist() == list(range(7))
    dataset = build(root, dict(img_path='Test/*/images_png'))
    names = server.names(dataset)
    assert list(names.values()) == ['9', '8']
    with pytest.raises(ConfigError, match=r"'sky'.*label_set='loveda7'"):
        server.table(('road', 'sky'))


@cache
def read(leaf, setting):
    path = ROOT / f'configs/{leaf}_urban2rural.py'
    return load_config(path, dict(setting=setting))


@pytest.mark.parametrize('leaf', LEAVES)
@pytest.mark.parametrize(
    ('setting', 'source', 'target'),
    [('urban2rural', 'Urban', 'Rural'), ('rural2urban', 'Rural', 'Urban')],
)
def test_settings(leaf, setting, source, target):
    cfg = read(leaf, setting)
    data = cfg.train_dataloader.dataset
    labelled = data.source.get('dataset', data.source)
    assert labelled.data_prefix == places('Train', source)
    if 'source_only' not in leaf:
        folder = f'Train/{target}/images_png'
        assert data.target.data_prefix == dict(img_path=folder)
    assert cfg.val_dataloader.dataset.data_prefix == places('Val', target)
    assert cfg.val_evaluator.prefix == f'loveda_{target.lower()}'
    assert cfg.model.segmentor.decode_head.num_classes == 7
    assert cfg.model.get('ignored_rows') is None
    for term in cfg.model.get('terms', ()):
        if term.type == FeatureDistance.__name__:
            assert term.things == ['building']


@pytest.mark.parametrize('leaf', LEAVES)
@pytest.mark.parametrize('domain', ['source', 'target'])
def test_samples_of_every_recipe(leaf, domain, tmp_path):
    """Crops of the files' own size, whatever ADVENT does with streets."""
    part = read(leaf, 'urban2rural').train_dataloader.dataset[domain]
    if part is None:
        return
    crop = dict(daformer=512, dacs=512, hrda=1024, mic=1024)
    expected = crop.get(leaf.split('/')[0], 1024)
    steps = {step.type: step for step in part.get('dataset', part).pipeline}
    assert 'Resize' not in steps
    size = steps.get('RandomCrop', dict(crop_size=(1024, 1024)))['crop_size']
    assert tuple(size) == (expected, expected)
    if expected == 512 or leaf in ('hrda/hrda', 'mic/mic'):
        assert len(steps['RandomFlip'].direction) == 3


def test_recipes_of_streets_refuse_it():
    leaf = 'configs/mtda/source_only_deeplabv2-r101_g2cmi.py'
    with pytest.raises(ConfigError, match="protocol has no 'land_cover'"):
        load_config(ROOT / leaf, dict(setting='urban2rural'))
