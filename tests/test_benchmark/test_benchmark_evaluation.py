from pathlib import Path

import pytest
import torch

from benchmarks.data import make_data
from benchmarks.evaluation import (
    build_loop,
    evaluation_rows,
    forward_all,
)
from benchmarks.file_predictions import prediction_rows
from benchmarks.setting import scale_sizes
from mmuda.utils.config import load_config
from mmuda.utils.config_model import fill_model

CONFIGS = Path(__file__).parents[2] / 'configs'


class Recorder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = []

    def encode_decode(self, images, metas):
        self.calls.append((images.shape, metas, torch.is_grad_enabled()))


@pytest.fixture
def cfg(tmp_path):
    cfg = load_config(CONFIGS / 'advent' / 'minent_gta2cs.py')
    small = load_config(CONFIGS / '_base_/networks/deeplabv2_r18_small.py')
    cfg.model.segmentor = small.network.segmentor
    fill_model(cfg.model, num_classes=19, targets=[])
    cfg.val_dataloader.update(num_workers=0, persistent_workers=False)
    scale_sizes(cfg, 0.07)
    make_data(cfg, tmp_path, images=3, factor=0.07)
    return cfg


def test_loop_takes_the_images_asked_for(cfg, tmp_path):
    loop = build_loop(cfg, tmp_path / 'work_dir', images=2)
    assert len(loop.dataloader.dataset) == 2


def test_loop_computes_the_metric(cfg, tmp_path):
    metrics = build_loop(cfg, tmp_path / 'work_dir', images=2).run()
    assert 0 <= metrics['cityscapes/mIoU'] <= 100


def test_row_names_the_size_of_the_network_input(cfg, tmp_path):
    (row,) = evaluation_rows(cfg, tmp_path / 'work_dir', 1, rounds=1, warmup=0)
    assert row.name == 'validation / forward, 1 images 72x36'


def test_bare_forward_builds_no_graph():
    model = Recorder()
    forward_all(model, [torch.zeros(1, 3, 4, 6)])
    meta = dict(img_shape=(4, 6), ori_shape=(4, 6))
    assert model.calls == [((1, 3, 4, 6), [meta], False)]


def test_rows_of_predictions_name_what_is_predicted(cfg, tmp_path):
    rows = prediction_rows(cfg, tmp_path / 'run', 2, rounds=1, warmup=0)
    assert [row.name for row in rows] == [
        'images / forward, 2 of 72x36',
        'video with overlays / forward, 2 of 72x36',
    ]
    written = sorted((tmp_path / 'run/out/labels').iterdir())
    assert [path.name for path in written] == ['0.png', '1.png', 'video.avi']
    assert (tmp_path / 'run/out/overlay/video.avi').is_file()
