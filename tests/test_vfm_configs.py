"""The leaves of foundation models: what is published of VFM-UDA."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from mmengine.dataset import Compose

from mmuda.utils.config import load_config
from mmuda.utils.setup_env import register_all_modules

ROOT = Path(__file__).parents[1] / 'configs'
LEAVES = sorted(path.name for path in ROOT.glob('vfm/*.py'))
SELF_TRAINED = [name for name in LEAVES if not name.startswith('source')]


@cache
def read(leaf):
    return load_config(ROOT / 'vfm' / leaf)


def source_of(leaf):
    return read(leaf).train_dataloader.dataset.source


@pytest.mark.parametrize('leaf', LEAVES)
def test_rare_classes(leaf):
    sampling = {k: v for k, v in source_of(leaf).items() if k != 'dataset'}
    assert sampling == dict(
        type='RareClassSampling',
        temperature=0.05,
        min_pixels=3000,
        crop_pixels=6000,
    )


@pytest.mark.parametrize('leaf', SELF_TRAINED)
def test_method(leaf):
    model = read(leaf).model
    assert model.type == 'DACS'
    assert (model.source_mean, model.flip_average) == ('labelled', True)
    assert model.teacher == dict(momentum=0.999)
    (term,) = model.terms
    blocks = 64 if leaf.startswith('mic') else 'token'
    assert term == dict(
        type='MaskedConsistency',
        block_size=blocks,
        mask_ratio=0.7,
        mode='target',
    )
    loss = model.segmentor.decode_head.loss_decode
    assert loss.avg_non_ignore is False


def shown(pipeline, size, seed):
    """What a pipeline makes of an image that is in memory, and its label."""
    register_all_modules()
    loading = ('LoadImage', 'LoadLabels')
    steps = Compose([s for s in pipeline if s.type not in loading])
    np.random.seed(seed)
    results = dict(
        img=np.full((*size, 3), 100, np.uint8),
        gt_seg_map=np.ones(size, np.uint8),
        seg_fields=['gt_seg_map'],
        img_shape=size,
        ori_shape=size,
        img_path='a.png',
        key='a',
    )
    return steps(results)


@pytest.mark.parametrize(
    ('domain', 'size'),
    [('source', (1052, 1914)), ('target', (1024, 2048))],
)
def test_crops_are_filled_up(domain, size):
    """Rows are 0.9 to 1.1 times 1440 and 1024; crops have 1024."""
    dataset = read('vfm_uda_gta2cs.py').train_dataloader.dataset
    part = dataset[domain]
    pipeline = part.get('dataset', part).pipeline
    rows = []
    for seed in range(8):
        sample = shown(pipeline, size, seed)
        assert sample['inputs'].shape == (3, 1024, 1024)
        padding = sample['data_samples'].get('padding_size', (0, 0, 0, 0))
        assert padding[:3] == (0, 0, 0)
        rows.append(1024 - padding[3])
        label = sample['data_samples'].gt_sem_seg.data[0]
        assert (label[: rows[-1]] == 1).all()
        assert (label[rows[-1] :] == 255).all()
    assert all(row == 1024 for row in rows) == (domain == 'source')
    assert min(rows) >= 0.9 * 1024 - 1


def test_pseudo_labels_count_inside_margins():
    target = read('vfm_uda_gta2cs.py').train_dataloader.dataset.target
    (margins,) = (s for s in target.pipeline if 'Margins' in s.type)
    height, width = 1024, 2048
    assert margins == dict(
        type='PseudoLabelMargins',
        top=int(0.03 * height),
        bottom=int(0.25 * height),
        left=int(0.03 * width),
        right=int(0.03 * width),
    )


@pytest.mark.parametrize('leaf', LEAVES)
def test_windows_are_crops(leaf):
    assert read(leaf).model.segmentor.test_cfg == dict(
        mode='slide', crop_size=(1024, 1024), stride=(512, 512)
    )
