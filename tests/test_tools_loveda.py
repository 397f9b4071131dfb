"""Each tool on tiles in the layout of LoveDA, town to country."""

import aerial_tiles
import numpy as np
import pytest
from demo_data import ROOT
from PIL import Image
from tools_in_process import load_tool, run_loaded

CONFIG = """
_base_ = [
    '{root}/configs/_base_/networks/deeplabv2_r18_small.py',
    '{root}/configs/_base_/methods/dacs.py',
    '{root}/configs/_base_/settings/dacs.py',
    '{root}/configs/_base_/schedules/advent.py',
    '{root}/configs/_base_/default_runtime.py',
]
setting = 'urban2rural'
model = dict(
    segmentor=dict(
        backbone=dict(base_channels=8, stem_channels=8),
        decode_head=dict(in_channels=32),
        auxiliary_head=dict(in_channels=16),
    ),
)
train_dataloader = dict(num_workers=0, persistent_workers=False)
val_dataloader = dict(num_workers=0, persistent_workers=False)
test_dataloader = val_dataloader
train_cfg = dict(max_iters=2, val_interval=2)
default_hooks = dict(checkpoint=dict(interval=2), logger=dict(interval=1))
"""


@pytest.fixture(scope='module')
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp('aerial')
    aerial_tiles.write_loveda(folder / 'LoveDA', train=4, val=2, test=2)
    (folder / 'tiles.py').write_text(CONFIG.format(root=ROOT))
    return folder


@pytest.fixture
def run(here, monkeypatch, capsys):
    monkeypatch.chdir(here)

    def call(tool, *words):
        roots = [f'{part}={here}/LoveDA' for part in ('source', 'target')]
        words = [here / 'tiles.py', *words, '--data-root', *roots]
        code, printed = run_loaded(load_tool(tool), words, monkeypatch, capsys)
        assert code == 0, printed
        return printed

    return call


def test_check_finds_nothing_wrong(run):
    printed = run('misc/check_data.py', '--all')
    assert 'ERROR' not in printed
    assert 'LoveDADataset' in printed


def test_class_statistics_are_those_of_the_masks(run, here):
    printed = run('misc/class_statistics.py', '--workers', 1)
    masks = (here / 'LoveDA/Train/Urban/masks_png').glob('*.png')
    ids = np.stack([np.array(Image.open(path)) for path in masks])
    known = np.bincount(ids.ravel(), minlength=8)[1:]
    shares = 100 * known / known.sum()
    (line,) = (row for row in printed.splitlines() if 'agricultural' in row)
    assert f'{shares[-1]:.4f}' in line


def test_training_test_and_export(run, here):
    run('train.py', '--work-dir', 'work')
    printed = run('test.py', 'work/iter_2.pth')
    assert 'loveda_rural/mIoU' in printed
    loader = 'test_dataloader.dataset.data_prefix'
    run(
        *('test.py', 'work/iter_2.pth', '--export', 'out', '--format'),
        *('loveda', '--cfg-options', f'{loader}.seg_map_path=None'),
        f'{loader}.img_path=Test/Rural/images_png',
    )
    files = sorted((here / 'out').glob('*.png'))
    assert [path.name for path in files] == ['14.png', '15.png']
    found = np.array(Image.open(files[0]))
    assert (found.shape, found.dtype) == ((64, 64), np.uint8)
    assert found.max() < 7


def test_browsing(run, here):
    run('analysis_tools/browse_dataset.py', '--out', 'seen', '--count', '1')
    assert list((here / 'seen').rglob('*.png'))
