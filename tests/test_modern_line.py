"""DACS, DAFormer, HRDA and MIC train on drawn streets, by the tool."""

import pytest
from demo_data import ROOT, write
from several_target_tools import call

from benchmarks.setting import scale_sizes, without_pretrained
from mmuda.utils.compat import load_checkpoint_file
from mmuda.utils.config import load_config

CROP = 64
# The demo's ResNet, and a transformer of as few channels.
RESNET = dict(depth=18, base_channels=8, stem_channels=8)
MIT = dict(embed_dims=8, num_layers=[1, 1, 1, 1])
LEAVES = {
    'dacs/dacs_gta2cs.py': RESNET,
    'daformer/daformer_gta2cs.py': MIT,
    'daformer/daformer_deeplabv2_gta2cs.py': RESNET,
    'hrda/hrda_gta2cs.py': MIT,
    'mic/mic_gta2cs.py': MIT,
    'mic/mic_dacs_gta2cs.py': RESNET,
}
# It has all parts of the others.
ALL_PARTS, SLOW = 'mic/mic_gta2cs.py', pytest.mark.slow
SHORT = {
    'train_cfg.max_iters': 2,
    'train_cfg.val_interval': 2,
    'default_hooks.checkpoint.interval': 2,
    'default_hooks.logger.interval': 1,
    'train_dataloader.num_workers': 0,
    'train_dataloader.persistent_workers': False,
    'val_dataloader.num_workers': 0,
    'val_dataloader.persistent_workers': False,
}


def write_small(leaf, file):
    """Write a leaf with few channels and images of 64x64."""
    cfg = load_config(ROOT / 'configs' / leaf)
    scale_sizes(cfg, CROP / cfg.crop_size[0])
    without_pretrained(cfg)
    segmentor = cfg.model.segmentor
    segmentor.backbone.update(LEAVES[leaf])
    mit = LEAVES[leaf] is MIT
    for name in ('decode_head', 'attention_head'):
        if name in segmentor:
            widths = [8, 16, 40, 64]
            segmentor[name].in_channels = widths if mit else widths[-1]
            if mit:
                segmentor[name].channels = 16
    if 'detail_crop_size' in segmentor:
        segmentor.detail_crop_size = (CROP // 2, CROP // 2)
        window = dict(crop_size=(CROP, CROP), stride=(CROP // 2, CROP // 2))
        segmentor.test_cfg.update(window)
    for term in cfg.model.get('terms', ()):
        if term.type == 'MaskedConsistency':
            term.block_size = CROP // 4
    if cfg.model.get('ignored_rows'):
        cfg.model.ignored_rows = dict(top=2, bottom=15)
    domains = cfg.train_dataloader.dataset
    for step in domains.target.pipeline:
        if step.type == 'PseudoLabelMargins':
            step.update(top=1, bottom=8, left=1, right=1)
    source = domains.source
    if source.type == 'RareClassSampling':
        source.update(min_pixels=40, crop_pixels=4)
    cfg.dump(file)


@pytest.fixture(scope='module')
def roots(tmp_path_factory):
    """Words that let a tool read toy GTA5 and Cityscapes."""
    root = write(tmp_path_factory.mktemp('toys'), count=3)
    folders = dict(source='GTA5', target='Cityscapes')
    places = (f'{name}={root / folder}' for name, folder in folders.items())
    return ['--data-root', *places]


def losses_of(folder):
    """Names of the losses that a training has logged."""
    (log,) = folder.rglob('*.log')
    return {
        word.rstrip(':')
        for word in log.read_text().split()
        if 'loss' in word and word.endswith(':')
    }


@pytest.mark.parametrize(
    'leaf',
    [
        leaf if leaf == ALL_PARTS else pytest.param(leaf, marks=SLOW)
        for leaf in LEAVES
    ],
)
def test_streets_are_trained_and_validated(leaf, roots, tmp_path):
    write_small(leaf, tmp_path / 'small.py')
    out = tmp_path / 'run'
    words = [tmp_path / 'small.py', '--work-dir', out, *roots]
    call('train.py', words, SHORT)
    meta = load_checkpoint_file(str(out / 'iter_2.pth'))['meta']
    assert meta['iter'] == 2
    found = losses_of(out)
    assert 'source.decode.loss_ce' in found
    assert 'target.mix.decode.loss_ce' in found
    hrda, mic = 'hr' in leaf or 'mic_gta' in leaf, leaf.startswith('mic')
    assert ('target.mix.decode.hr.loss_ce' in found) == hrda
    assert ('target.masked.decode.loss_ce' in found) == mic
    has_distance = 'dacs_' not in leaf
    assert ('source.loss_feature_distance' in found) == has_distance
