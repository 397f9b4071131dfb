"""The demo's data and tools on two targets, Rome and Oslo."""

import runpy
import sys
import uuid

import demo_data
import pytest

from street_scenes import write_cityscapes

LABELS = dict(rome='Cityscapes/gtFine/val', oslo='Oslo/gtFine/val')
_CONFIG = """
_base_ = '{root}/configs/demo/demo_mtkt_g2ci.py'
domains = dict(
    gta5=dict(dataset=dict(data_root='{data}/GTA5')),
    **{{
        name: dict(
            dataset=dict(
                type='CityscapesLabelIdsDataset', data_root='{data}/' + folder
            ),
            train=dict(img_path='leftImg8bit/train'),
            val=dict(
                img_path='leftImg8bit/val', seg_map_path='gtFine/val'
            ),
        )
        for name, folder in dict(rome='Cityscapes', oslo='Oslo').items()
    }},
)
settings = dict(here=dict(source='gta5', targets=['rome', 'oslo']))
setting = 'here_19'
model = dict(
    warmup_iters=0,
    divergence_weights=dict(decode=1.0, aux=0.1),
    segmentor=dict(
        backbone=dict(base_channels=8, stem_channels=8),
        decode_head=dict(in_channels=32),
        auxiliary_head=dict(in_channels=16),
    ),
    discriminator=dict(base_channels=4),
)
train_dataloader = dict(batch_size=1)
train_cfg = dict(max_iters=2, val_interval=2)
default_hooks = dict(
    checkpoint=dict(interval=2, save_best='mean/mIoU'),
    logger=dict(interval=1),
    consistency=dict(
        _delete_=True, type='CollaborativeConsistencyHook'
    ),
)
"""


def write_data(folder):
    """Images of GTA5 and of both targets, all of 96x48 pixels."""
    demo_data.write(folder, count=2)
    write_cityscapes(
        folder / 'Oslo',
        dict(train=2, val=1),
        size=demo_data.SIZE,
        workers=1,
        progress=False,
    )
    return folder


def write_config(folder, data):
    """MTKT on both targets, two iterations; images are of 256x128 pixels."""
    path = folder / 'mtkt.py'
    path.write_text(_CONFIG.format(root=demo_data.ROOT, data=data))
    return path


def call(tool, words, options=None):
    """Run a tool in this process; it must end well."""
    # Runs of one name would share a logger, and its closed streams.
    options = (options or {}) | {'experiment_name': uuid.uuid4().hex}
    words = [tool, *words, '--cfg-options']
    words += [f'{key}={value}' for key, value in options.items()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', [str(word) for word in words])
        path = str(demo_data.ROOT / 'tools' / tool)
        with pytest.raises(SystemExit) as end:
            runpy.run_path(path, run_name='__main__')
    assert end.value.code == 0
