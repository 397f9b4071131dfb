"""Files that are no exports: named wrongly, too large or full of NaN."""

from dataclasses import replace

import pytest
import torch
from exported_networks import (
    ANY_SIZE,
    checkpoint_of,
    config_of,
    method_files,
    network_of,
    run,
)
from mmengine.config import Config

from mmuda.export import FORMATS, ExportOptions, export_segmentor
from mmuda.utils.errors import CheckpointError, ConfigError

ONNX, TORCHSCRIPT, _ = FORMATS
SIZE = ('--size', '64', '96')


@pytest.fixture
def files(tmp_path):
    return method_files(tmp_path)


def test_numbers_that_are_not_finite_are_a_difference(files):
    def write(graph, path, about):
        graph.module.network.decode_head.convs[0].bias.data[0] = torch.nan
        TORCHSCRIPT.write(graph, path, about)

    with pytest.raises(CheckpointError, match='differ from PyTorch by inf'):
        export_segmentor(
            Config.fromfile(files / 'method.py'),
            str(files / 'iter_1.pth'),
            files / 'network.pt',
            replace(TORCHSCRIPT, write=write),
            ExportOptions(size=(64, 96)),
        )


def test_a_network_that_gives_no_finite_numbers_is_refused(files):
    checkpoint = torch.load(files / 'iter_1.pth', weights_only=True)
    # Finite, but their sum is not.
    name = 'segmentor.decode_head.convs.{}.bias'
    for number in range(2):
        checkpoint['state_dict'][name.format(number)][:] = 3e38
    torch.save(checkpoint, files / 'iter_1.pth')
    with pytest.raises(CheckpointError, match=r'iter_1\.pth: .* not finite'):
        run(files, 'network.pt', *SIZE)


def test_one_file_holds_so_many_weights(files):
    kind = replace(ONNX, most_bytes=1000, first_torch=None)
    with pytest.raises(
        ConfigError, match=r'--onnx: \d+ MiB of weights, .* 0 MiB at most'
    ):
        export_segmentor(
            Config.fromfile(files / 'method.py'),
            str(files / 'iter_1.pth'),
            files / 'n.onnx',
            kind,
            ExportOptions(),
        )


def test_an_input_is_not_replaced(files):
    checkpoint = files / 'iter_1.pt'
    (files / 'iter_1.pth').rename(checkpoint)
    (files / 'iter_1.pth').symlink_to(checkpoint)
    before = checkpoint.read_bytes()
    with pytest.raises(ConfigError, match='--out: .* same file as the input'):
        run(files, 'iter_1.pt', *SIZE)
    assert checkpoint.read_bytes() == before


@pytest.mark.parametrize('out', ['folder.pt', 'method.py/network.pt'])
def test_a_file_that_cannot_be_written_is_told_first(files, out):
    (files / 'folder.pt').mkdir()
    (files / 'iter_1.pth').write_text('is not read')
    with pytest.raises(ConfigError, match=r'--out: .*(is a folder|cannot)'):
        run(files, out, *SIZE)


@pytest.mark.parametrize('channels', [1, 4])
def test_networks_of_other_channels_are_refused(files, channels):
    segmentor = ANY_SIZE['deeplabv2']
    segmentor = segmentor | dict(
        backbone=segmentor['backbone'] | dict(in_channels=channels)
    )
    cfg = config_of(segmentor)
    # Images that are not normalised tell no channels.
    del cfg['model']['data_preprocessor']['mean']
    del cfg['model']['data_preprocessor']['std']
    Config(cfg).dump(files / 'method.py')
    checkpoint = checkpoint_of(segmentor=network_of(segmentor))
    torch.save(checkpoint, files / 'iter_1.pth')
    told = rf'takes {channels} channel\(s\); what is exported takes RGB'
    with pytest.raises(ConfigError, match=told):
        run(files, 'network.pt', *SIZE)


def test_images_of_any_range_are_refused(files):
    cfg = Config.fromfile(files / 'method.py')
    cfg.test_pipeline = [dict(type='LoadImage', color_type='unchanged')]
    cfg.dump(files / 'method.py')
    with pytest.raises(ConfigError, match='test_pipeline: .* numbers of any'):
        run(files, 'network.pt', *SIZE)
