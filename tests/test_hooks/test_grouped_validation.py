"""A validation by groups of images, from files to the log."""

import mmcv
import numpy as np
import pytest
import torch
from tiny_runs import METAINFO, loader, runner

from mmuda.utils.errors import ConfigError

SIZE = (32, 48)
KEYS = ('fog/a/1', 'fog/b/1', 'night/a/1')


def dataset(root, pack):
    """Images as ACDC lies on disk, whose labels are one class each."""
    for number, key in enumerate(KEYS):
        condition, _, name = key.partition('/')
        rng = np.random.default_rng(number)
        image = rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
        mmcv.imwrite(image, str(root / f'rgb/{condition}/val/{name}.png'))
        ids = np.full(SIZE, number, np.uint8)
        mmcv.imwrite(ids, str(root / f'gt/{condition}/val/{name}.png'))
    return dict(
        type='FolderDataset',
        data_root=str(root),
        data_prefix=dict(img_path='rgb/*/val', seg_map_path='gt/*/val'),
        label_set=None,
        metainfo=METAINFO,
        img_suffix='.png',
        seg_map_suffix='.png',
        pipeline=[
            dict(type='LoadImage'),
            dict(type='LoadLabels'),
            dict(type=pack),
        ],
    )


def validate(folder, pack='PackDomainInputs'):
    metric = dict(type='DomainIoUMetric', prefix='acdc', group_by='[^/]+')
    sampler = dict(type='DefaultSampler', shuffle=False)
    run = runner(
        folder / 'run',
        val_dataloader=loader(dataset(folder / 'data', pack), sampler),
        val_evaluator=metric,
        val_cfg=dict(type='ValLoop'),
    )
    with torch.no_grad():
        run.model.segmentor.decode_head.conv_seg.bias[0] = 1e4
    return run.val()


def test_groups_of_a_validation(tmp_path):
    """The network sees the class of the first image everywhere."""
    found = validate(tmp_path)
    assert found['acdc/mIoU.fog'] == 25.0  # half of one class, none of two
    assert found['acdc/mIoU.night'] == 0.0
    assert found['acdc/mIoU'] == 11.11


def test_a_pipeline_that_drops_the_key(tmp_path):
    with pytest.raises(ConfigError, match='pack them with .*PackDomainInputs'):
        validate(tmp_path, 'PackSegInputs')
