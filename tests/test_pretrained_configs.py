"""Configs of small networks with weights of ImageNet, and their settings."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from demo_data import write as write_streets
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from mmuda.datasets import DomainInfiniteSampler
from mmuda.registry import DATASETS, MODELS
from mmuda.utils.config import load_config
from mmuda.utils.setup_env import register_all_modules

ROOT = Path(__file__).parents[1] / 'configs'
LEAVES = sorted(
    str(path.relative_to(ROOT))
    for path in ROOT.glob('[!_]*/*efficientnet-lite0*.py')
)
SOURCE_ONLY = 'advent/source_only_efficientnet-lite0_idda2cs256.py'
IGNORED = 255
# Train ids of Cityscapes that a label has from left to right; 14 is truck.
COLUMNS = (0, 13, 14, 18, IGNORED)


def write(root, keys, lists, size):
    """Images and labels of columns, and lists of keys."""
    width, height = size
    columns = np.repeat(np.uint8(COLUMNS), width // len(COLUMNS) + 1)
    for key in keys:
        for folder in ('images', 'labels'):
            (root / folder).mkdir(parents=True, exist_ok=True)
        photo = np.full((height, width, 3), 90, np.uint8)
        cv2.imwrite(str(root / f'images/{key}.jpg'), photo)
        label = np.broadcast_to(columns[:width], (height, width))
        cv2.imwrite(str(root / f'labels/{key}.png'), label)
    for name in lists:
        (root / f'{name}.txt').write_text('\n'.join(keys))


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp('data')
    towns = [f'1_T0{town}_CN_{car}' for town in (1, 2, 3) for car in 'AJ']
    lists = ['train', 'val', 'test', *(f'weather_{w}' for w in WEATHERS)]
    write(folder / 'IDDA', towns, lists, (512, 288))
    write(folder / 'Cityscapes256', ['a', 'b'], lists[:3], (256, 256))
    return folder


WEATHERS = ('CN', 'CS', 'HRN')
STREETS = 'streets'


def load(leaf, data=None, setting=None):
    register_all_modules()
    cfg = load_config(ROOT / leaf, {'setting': setting} if setting else {})
    for part in parts_of(cfg):
        if data is not None:
            part.data_root = str(data / Path(part.data_root).name)
    return cfg


def parts_of(cfg):
    domains = cfg.train_dataloader.dataset
    parts = [domains.source, domains.get('target')]
    parts += (domains.get('targets') or {}).values()
    for event in ('val', 'test'):
        loaders = cfg[f'{event}_dataloader']
        loaders = loaders if isinstance(loaders, list) else [loaders]
        parts += [loader.dataset for loader in loaders]
    return [part.get('dataset', part) for part in parts if part]


@pytest.mark.parametrize('leaf', LEAVES)
def test_network_starts_from_what_pip_installs_and_keeps_its_norms(leaf):
    model = Config.fromfile(ROOT / leaf).model
    backbone = model.segmentor.backbone
    assert backbone.init_cfg.checkpoint.startswith('package://efficientnet')
    assert backbone.norm_eval
    preprocessor = model.data_preprocessor
    assert preprocessor.mean == preprocessor.std == [127.5] * 3
    assert preprocessor.bgr_to_rgb
    # no norm of heads has statistics either
    network = MODELS.build(
        dict(model.segmentor, targets=['a'])
        if (model.segmentor.type == 'MultiHeadEncoderDecoder')
        else model.segmentor
    )
    learning = [
        name
        for name, module in network.train().named_modules()
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)
        and module.training
    ]
    assert learning == []


def test_backbone_learns_at_a_tenth_of_the_rate():
    cfg = load('hrda/hrda_efficientnet-lite0_idda2cs256.py')
    cfg.model.segmentor.backbone.init_cfg = None
    cfg.model.terms = []
    model = MODELS.build(cfg.model)
    groups = build_optim_wrapper(model, cfg.optim_wrapper)['segmentor']
    rates = {
        id(parameter): group['lr']
        for group in groups.param_groups
        for parameter in group['params']
    }
    found = {
        (name.split('.')[0], round(rates[id(parameter)], 6))
        for name, parameter in model.segmentor.named_parameters()
    }
    assert found == {
        ('backbone', 1e-4),
        ('decode_head', 1e-3),
        ('attention_head', 1e-3),
    }


@pytest.mark.parametrize(
    ('leaf', 'size'),
    [
        ('advent/minent_efficientnet-lite0_idda2cs256.py', (128, 224)),
        ('dacs/dacs_efficientnet-lite0_idda2cs256.py', (128, 224)),
        ('hrda/hrda_efficientnet-lite0_idda2cs256.py', (256, 448)),
    ],
)
def test_samples_of_both_domains_have_one_size(leaf, size, data):
    cfg = load(leaf, data)
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    item = dataset[next(iter(DomainInfiniteSampler(dataset, seed=0)))]
    shapes = {
        name: tuple(image.shape) for name, image in item['inputs'].items()
    }
    assert shapes == dict.fromkeys(('source', 'target'), (3, *size))
    labels = item['data_samples']['source'].gt_sem_seg.data.unique()
    # car and bicycle of 16 classes, no truck
    assert {*labels.tolist()} <= {0, 13, 15, IGNORED}
    assert 'gt_sem_seg' not in item['data_samples']['target']


def test_labels_are_those_of_sixteen_classes(data):
    cfg = load(SOURCE_ONLY, data)
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    classes = dataset.metainfo['classes']
    assert len(classes) == 16
    assert {'truck', 'bus', 'train'}.isdisjoint(classes)
    sample = dataset[0]
    label = sample['data_samples'].gt_sem_seg.data
    assert label.shape == (1, 256, 256)
    assert label.unique().tolist() == [0, 13, 15, IGNORED]
    assert sample['inputs'].shape == (3, 160, 320)
    metric = cfg.test_evaluator[0]
    left = {*classes} - {*metric.subsets.mIoU13}
    assert left == {'wall', 'fence', 'pole'}


def test_upper_bound_learns_from_the_labels_of_the_target(data):
    leaf = 'advent/supervised_efficientnet-lite0_cs256.py'
    source = load(leaf, data).train_dataloader.dataset.source
    trained = DATASETS.build(source)
    assert len(trained) == 2
    assert trained[0]['inputs'].shape == (3, 128, 224)
    assert trained[0]['data_samples'].gt_sem_seg.data.shape == (1, 128, 224)


def test_weathers_are_trained_and_tested_in_different_towns(data):
    leaf = 'advent/advent_efficientnet-lite0_idda2cs256.py'
    cfg = load(leaf, data, 'idda_cn2cs_hrn')
    domains = cfg.train_dataloader.dataset
    sets = {'noon': domains.source, **domains.targets}
    assert [*sets] == ['noon', 'sunset', 'rain']
    for name, weather in zip(sets, WEATHERS, strict=True):
        assert sets[name].ann_file == f'weather_{weather}.txt'
        keys = keys_of(sets[name])
        assert {key.split('_')[1] for key in keys} == {'T01', 'T02'}
    for event, car in (('val', 'J'), ('test', 'A')):
        for loader in cfg[f'{event}_dataloader']:
            assert keys_of(loader.dataset) == [f'1_T03_CN_{car}']


def keys_of(config):
    return [
        sample['key'] for sample in DATASETS.build(config).load_data_list()
    ]


@pytest.mark.parametrize('setting', ['carla2camvid', 'carla2camvid_day'])
def test_other_small_settings_are_to_be_had(setting):
    cfg = load('dacs/dacs_efficientnet-lite0_idda2cs256.py', None, setting)
    assert cfg.train_dataloader.dataset.source.type == 'CARLADataset'
    assert cfg.model.segmentor.decode_head.num_classes == 10


def test_a_setting_of_ones_own_has_the_classes_of_streets(tmp_path):
    """Not those of CARLA -> CamVid, from which the tables are inherited."""
    leaf = tmp_path / 'own.py'
    leaf.write_text(
        "_base_ = 'mmuda::dacs/dacs_efficientnet-lite0_idda2cs256.py'\n"
        "settings = dict(own=dict(source='gta5', targets=['cityscapes']))\n"
        "setting = 'own'\n"
    )
    cfg = load_config(leaf)
    assert cfg.model.segmentor.decode_head.num_classes == 16
    data = cfg.train_dataloader.dataset
    assert [data.source.label_set, data.target.label_set] == ['idda16'] * 2
    assert data.target.pipeline[1].scale == (320, 160)
    assert cfg.val_dataloader.dataset.pipeline[1].scale == (320, 160)
    assert cfg.pseudo_labels.ground_truth is None


def test_generated_streets_are_to_be_had(tmp_path):
    write_streets(tmp_path, count=2)
    cfg = load('dacs/dacs_efficientnet-lite0_idda2cs256.py', tmp_path, STREETS)
    assert cfg.model.segmentor.decode_head.num_classes == 16
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    item = dataset[next(iter(DomainInfiniteSampler(dataset, seed=0)))]
    shapes = [tuple(image.shape) for image in item['inputs'].values()]
    assert shapes == [(3, 128, 224)] * 2
    labels = item['data_samples']['source'].gt_sem_seg.data.unique()
    assert {*labels.tolist()} <= {*range(16), IGNORED}
    tested = DATASETS.build(cfg.test_dataloader.dataset)
    assert len(tested) == 2
    assert tested[0]['inputs'].shape == (3, 160, 320)


@pytest.mark.parametrize('method', ['source_only', 'dacs', 'hrda'])
def test_the_demo_draws_while_it_trains(method):
    cfg = load(f'demo/demo_{method}_efficientnet-lite0_gta2cs.py')
    (interval,) = (
        hook.interval
        for hook in cfg.custom_hooks
        if hook.type == 'DomainVisualizationHook'
    )
    assert 3 * interval == cfg.train_cfg.max_iters


@pytest.mark.parametrize('variant', ['', '_rare', '_large'])
def test_streets_lie_where_the_demo_makes_them(variant):
    leaf = 'hrda/hrda_efficientnet-lite0_idda2cs256.py'
    cfg = load(leaf, None, STREETS + variant)
    domains = cfg.train_dataloader.dataset
    source = domains.source.get('dataset', domains.source)
    roots = [part.data_root for part in (source, domains.target)]
    assert roots == ['data/demo/GTA5', 'data/demo/Cityscapes']
    # the target's training images have none
    leaf = 'esl/esl_efficientnet-lite0_idda2cs256.py'
    assert (
        load(leaf, None, STREETS + variant).pseudo_labels.ground_truth is None
    )


@pytest.mark.parametrize(
    'setting',
    ['idda2cs256', 'idda2cs256_rare', 'carla2camvid_day', 'streets_rare'],
)
def test_co_training_learns_pseudo_labels_in_each_setting(setting):
    leaf = 'cotraining/cotraining_efficientnet-lite0_idda2cs256.py'
    target = load(leaf, None, setting).train_dataloader.dataset.target
    kinds = [step.type for step in target.pipeline]
    assert kinds[:2] == ['LoadImage', 'LoadPseudoLabels']


def test_pseudo_labels_are_measured_where_the_target_has_labels():
    leaf = 'esl/esl_efficientnet-lite0_idda2cs256.py'
    assert load(leaf).pseudo_labels.ground_truth == 'labels'
