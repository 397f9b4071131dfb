"""Networks of every family, in every format."""

import pytest
import torch
from exported_networks import (
    ANY_SIZE,
    FIXED_SIZE,
    WRITES_ONNX,
    checkpoint_of,
    config_of,
    network_of,
)
from mmengine.config import Config

from mmuda.export import FORMATS, ExportOptions, export_segmentor
from mmuda.utils.errors import ConfigError

ONNX, TORCHSCRIPT, PROGRAM = FORMATS
SIZE = (64, 96)
ALL = ANY_SIZE | FIXED_SIZE


def export(name, kind, tmp_path, **options):
    """Export a network, compared on images of three sizes."""
    segmentor = ALL[name]
    fixed = name in FIXED_SIZE
    if name == 'psp':
        fixed = not kind.pools_any_size
    checkpoint = tmp_path / 'iter_1.pth'
    torch.save(checkpoint_of(segmentor=network_of(segmentor)), checkpoint)
    out = tmp_path / f'network{kind.suffix}'
    options = dict(size=SIZE, fixed=fixed) | options
    cfg = Config(config_of(segmentor))
    result = export_segmentor(
        cfg, str(checkpoint), out, kind, ExportOptions(**options)
    )
    assert out.is_file()
    return result.comparison


@pytest.mark.parametrize('name', ALL)
def test_torchscript(name, tmp_path):
    found = export(name, TORCHSCRIPT, tmp_path)
    assert found.difference < 1e-5
    assert found.agreement > 0.9999


@pytest.mark.parametrize('name', ['deeplabv3plus_detectron2'])
def test_torch_export(name, tmp_path):
    assert export(name, PROGRAM, tmp_path).difference < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize('name', ALL)
def test_any_torch_export(name, tmp_path):
    assert export(name, PROGRAM, tmp_path).difference < 1e-5


@WRITES_ONNX
@pytest.mark.slow
@pytest.mark.parametrize('name', ALL)
def test_any_onnx(name, tmp_path):
    found = export(name, ONNX, tmp_path)
    assert found.difference < 1e-4
    assert found.agreement > 0.9999


@WRITES_ONNX
@pytest.mark.parametrize('name', FIXED_SIZE)
def test_a_size_that_must_be_fixed_is_refused(name, tmp_path):
    with pytest.raises(ConfigError, match=r'--onnx: .*add --fixed-size'):
        export(name, ONNX, tmp_path, fixed=False)
    assert not (tmp_path / 'network.onnx').exists()
