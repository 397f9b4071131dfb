"""tools/model_converters/export.py, and a file without mmuda."""

import json
import os
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from doc_pages import examples
from exported_networks import (
    ANY_SIZE,
    CLASSES,
    FIXED_SIZE,
    PALETTE,
    WRITES_ONNX,
    checkpoint_of,
    config_of,
    method_files,
    network_of,
    run,
)
from mmcv import rescale_size
from mmengine.config import Config
from PIL import ExifTags, Image, ImageOps

import mmuda
from mmuda.export import (
    FORMATS,
    ExportOptions,
    ImageSegmentor,
    export_segmentor,
    load_segmentor,
)
from mmuda.utils.checksums import sha256_of
from mmuda.utils.config import load_config
from mmuda.utils.config_names import config_argument
from mmuda.utils.errors import CheckpointError, ConfigError

ONNX, TORCHSCRIPT, PROGRAM = FORMATS
SIZE = ('--size', '64', '96')
EXAMPLE = 'predict_onnx.py'


@pytest.fixture
def files(tmp_path):
    return method_files(tmp_path)


def module_of(folder, **model):
    """The same network, as PyTorch runs it."""
    cfg = Config.fromfile(folder / 'method.py')
    cfg.model.update(model)
    found = load_segmentor(cfg, str(folder / 'iter_1.pth'))
    return ImageSegmentor(found.network, found.normalisation)


def picture(path):
    """A photo of a camera on its side, and what the network is shown."""
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (5, 7, 3), np.uint8)
    upright = Image.fromarray(coarse).resize((101, 75))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    pixels = np.asarray(upright, np.float32)
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


BLOCKED = """
import runpy, sys
for name in ('mmuda', 'torch', 'mmseg', 'mmcv', 'mmengine'):
    sys.modules[name] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
"""


@WRITES_ONNX
def test_onnx_runs_without_mmuda_and_pytorch(files, capsys):
    model = run(files, 'network.onnx', *SIZE)
    told = capsys.readouterr().out.splitlines()
    # What takes long is named when it begins.
    begun = ['Running', 'Translating', 'Comparing', 'Wrote', 'Compared']
    assert [line.partition(' ')[0] for line in told] == begun
    assert 'times PyTorch' in told[-1]
    # Nor does it tell where it was written.
    assert str(Path(mmuda.__file__).parent).encode() not in model.read_bytes()
    image = picture(files / 'street.png')
    example = files / EXAMPLE
    example.write_text(examples()[EXAMPLE])
    words = [example, model, files / 'street.png', files / 'labels.png']
    result = subprocess.run(
        [sys.executable, '-c', BLOCKED, *words],
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if k != 'PYTHONPATH'},
    )
    assert result.returncode == 0, result.stderr
    found = Image.open(files / 'labels.png')
    with torch.no_grad():
        expected = module_of(files)(image).argmax(1)[0].numpy()
    assert np.array_equal(np.asarray(found), expected)
    assert len(np.unique(expected)) > 1
    assert found.getpalette()[: 3 * len(CLASSES)] == sum(PALETTE, [])
    assert CLASSES[expected[0, 0]] in result.stdout


PUBLISHED = {
    'daformer_gta2cs': dict(
        tested_size=[512, 1024], keep_ratio=True, turns_upright=True
    ),
    'advent_gta2cs': dict(
        tested_size=[512, 1024], keep_ratio=False, turns_upright=False
    ),
    'advent_gta2mapillary': dict(
        tested_size=[768, 1024], keep_ratio=True, turns_upright=False
    ),
}


@pytest.mark.parametrize('name', PUBLISHED)
def test_the_tested_size_of_published_configs(files, name):
    method = Config.fromfile(files / 'method.py')
    published = load_config(config_argument(name))
    method.test_pipeline = published.test_pipeline
    method.dump(files / 'method.py')
    words = ['--no-check', '--fixed-size']
    found = metadata(run(files, 'network.pt', *words))['input']
    assert {key: found[key] for key in PUBLISHED[name]} == PUBLISHED[name]
    # What it is traced on.
    assert found['shape'][2:] == PUBLISHED[name]['tested_size']


@WRITES_ONNX
def test_the_example_shows_images_at_the_tested_size(files, monkeypatch):
    model = run(files, 'network.onnx', *SIZE, '--no-check')
    module, example = module_of(files), files / EXAMPLE
    example.write_text(examples()[EXAMPLE])
    street, out = files / 'street.png', files / 'labels.png'
    picture(street)
    image = ImageOps.exif_transpose(Image.open(street))
    image = image.transpose(Image.Transpose.ROTATE_90)
    image.save(street)
    assert image.size == (75, 101)
    box = 128, 64
    assert rescale_size(image.size, box) == (64, 86)
    for turns, size in ((True, (64, 86)), (False, (48, 64))):
        graph = onnx.load(model)
        about = {p.key: p.value for p in graph.metadata_props}
        shown = dict(tested_size=box[::-1], keep_ratio=True)
        shown |= dict(turns_upright=turns)
        about['input'] = json.dumps(json.loads(about['input']) | shown)
        onnx.helper.set_model_props(graph, about)
        onnx.save(graph, model)
        words = [EXAMPLE, *map(str, (model, street, out))]
        monkeypatch.setattr(sys, 'argv', words)
        runpy.run_path(str(example), run_name='__main__')
        pixels = np.asarray(image.convert('RGB').resize(size), np.float32)
        with torch.no_grad():
            logits = module(torch.from_numpy(pixels).permute(2, 0, 1)[None])
        expected = Image.fromarray(logits.argmax(1)[0].byte().numpy())
        expected = expected.resize(image.size, Image.Resampling.NEAREST)
        found = np.asarray(Image.open(out))
        assert np.array_equal(found, np.asarray(expected))


def test_example_is_short():
    assert len(examples()[EXAMPLE].splitlines()) <= 25


def metadata(path):
    files = {'metadata.json': ''}
    torch.jit.load(str(path), _extra_files=files)
    return json.loads(files['metadata.json'])


def test_what_a_file_says_of_itself(files):
    found = metadata(run(files, 'network.pt', *SIZE))
    assert tuple(found['classes']) == CLASSES
    assert found['palette'] == PALETTE
    assert found['input'] == dict(
        name='image',
        dtype='float32',
        shape=['batch', 3, 'height', 'width'],
        channels='RGB',
        range=[0, 255],
        tested_size=None,
        keep_ratio=False,
        turns_upright=False,
    )
    assert found['normalization']['mean'] == [120.0, 110.0, 100.0]
    assert found['outputs'] == dict(
        logits=['batch', 'classes', 'height', 'width']
    )
    assert found['checkpoint'] == dict(
        file='iter_1.pth', sha256=sha256_of(files / 'iter_1.pth')
    )
    assert found['mmuda_version'] == mmuda.__version__
    assert found['network'] == dict(
        name='segmentor', head='decode', config='method.py'
    )


def test_a_program_says_the_same(files):
    path = run(files, 'network.pt2', *SIZE, '--fixed-size', '--no-check')
    extra = {'metadata.json': ''}
    program = torch.export.load(path, extra_files=extra)
    found = json.loads(extra['metadata.json'])
    assert found['input']['shape'] == ['batch', 3, 64, 96]
    assert tuple(found['classes']) == CLASSES
    image = torch.rand(3, 3, 64, 96) * 255
    with torch.no_grad():
        expected = module_of(files)(image)
    torch.testing.assert_close(program.module()(image), expected)


def test_the_teacher_by_predict_on(files):
    path = run(
        files,
        'network.pt',
        *SIZE,
        '--cfg-options',
        'model.predict_on=teacher',
    )
    assert metadata(path)['network']['name'] == 'teacher'
    image = torch.rand(1, 3, 64, 96) * 255
    with torch.no_grad():
        found = torch.jit.load(str(path))(image)
        assert torch.equal(
            found, module_of(files, predict_on='teacher')(image)
        )
        assert not torch.equal(found, module_of(files)(image))


def test_the_head_of_a_target(tmp_path):
    segmentor = dict(
        ANY_SIZE['deeplabv2'],
        type='MultiHeadEncoderDecoder',
        targets=['rome', 'oslo'],
        predict_head='oslo.decode',
    )
    network = network_of(segmentor)
    torch.save(checkpoint_of(segmentor=network), tmp_path / 'iter_1.pth')
    Config(config_of(segmentor)).dump(tmp_path / 'method.py')
    path = run(tmp_path, 'network.pt', *SIZE)
    assert metadata(path)['network']['head'] == 'oslo.decode'
    image = torch.rand(1, 3, 64, 96) * 255
    with torch.no_grad():
        found = torch.jit.load(str(path))(image)
        assert torch.equal(found, module_of(tmp_path)(image))
        network.predict_head = 'rome.decode'
        other = ImageSegmentor(
            network,
            load_segmentor(
                Config.fromfile(tmp_path / 'method.py'),
                str(tmp_path / 'iter_1.pth'),
            ).normalisation,
        )
        assert not torch.equal(found, other(image))


def test_several_outputs(files):
    path = run(files, 'n.pt', *SIZE, '--output', 'labels', 'probabilities')
    labels, probabilities = torch.jit.load(str(path))(
        torch.rand(1, 3, 50, 70) * 255
    )
    assert torch.equal(labels, probabilities.argmax(1).byte())


def test_size_and_windows_of_the_config(tmp_path):
    segmentor = dict(
        FIXED_SIZE['hrda'],
        test_cfg=dict(mode='slide', crop_size=(64, 96), stride=(32, 48)),
    )
    network = network_of(segmentor)
    torch.save(checkpoint_of(segmentor=network), tmp_path / 'iter_1.pth')
    Config(config_of(segmentor)).dump(tmp_path / 'method.py')
    path = run(tmp_path, 'network.pt', '--fixed-size')
    found = metadata(path)
    assert found['input']['shape'] == ['batch', 3, 64, 96]
    assert found['sliding_window'] == dict(crop_size=[64, 96], stride=[32, 48])


@pytest.mark.parametrize(
    ('out', 'words', 'told'),
    [
        ('n.onnx', ['--torchscript'], '--torchscript'),
        ('n.pt', ['--onnx'], '--onnx'),
        ('n.pb', [], '--out'),
        ('n.pt', ['--opset', '18'], '--opset'),
        ('n.pt', ['--output', 'logits', 'logits'], '--output'),
        ('n.pt', ['--device', 'cuda:99'], "device 'cuda:99'"),
    ],
)
def test_wrong_options_write_nothing(files, out, words, told):
    before = {*files.iterdir()}
    with pytest.raises(ConfigError, match=told):
        run(files, out, *words)
    assert {*files.iterdir()} == before


@WRITES_ONNX
@pytest.mark.parametrize('opset', ['3', '99'])
def test_opsets_that_are_not_written_are_refused(files, opset):
    before = {*files.iterdir()}
    told = f'--opset {opset}: PyTorch wrote 18 instead; leave it out'
    with pytest.raises(ConfigError, match=told):
        run(files, 'n.onnx', *SIZE, '--opset', opset)
    assert {*files.iterdir()} == before


def test_a_suffix_of_another_format_is_told_the_right_one(files):
    with pytest.raises(ConfigError, match=r'must end with \.onnx \(--onnx\)$'):
        run(files, 'n.pt', '--onnx')


def test_a_format_that_an_old_pytorch_does_not_write(files, monkeypatch):
    monkeypatch.setattr(torch, '__version__', '2.6.0+cpu')
    with pytest.raises(
        ConfigError,
        match=r'--onnx needs PyTorch 2\.7 or later, this is 2\.6\.0\+cpu; '
        'update it, or take another format',
    ):
        ONNX.require_packages()
    PROGRAM.require_packages()
    monkeypatch.setattr(torch, '__version__', '2.7.0')
    ONNX.require_packages()


def test_missing_packages_are_named_together(files):
    missing = ('json', 'no_package_a', 'no_package_b')
    kind = replace(ONNX, packages=missing, first_torch=None)
    cfg = Config.fromfile(files / 'method.py')
    with pytest.raises(
        ConfigError,
        match='no_package_b: pip install no_package_a no_package_b',
    ):
        export_segmentor(
            cfg,
            str(files / 'iter_1.pth'),
            files / 'n.onnx',
            kind,
            ExportOptions(),
        )


def test_a_file_that_computes_something_else_is_not_kept(files):
    def write(graph, path, about):
        graph.module.network.decode_head.convs[0].bias.data[0] += 1e-2
        TORCHSCRIPT.write(graph, path, about)

    out = files / 'network.pt'
    out.write_text('earlier')
    before = {*files.iterdir()}
    with pytest.raises(CheckpointError, match='would differ from PyTorch by'):
        export_segmentor(
            Config.fromfile(files / 'method.py'),
            str(files / 'iter_1.pth'),
            out,
            replace(TORCHSCRIPT, write=write),
            ExportOptions(size=(64, 96)),
        )
    assert out.read_text() == 'earlier'
    assert {*files.iterdir()} == before


def test_an_ensemble_is_refused(files):
    cfg = Config(dict(model=dict(type='EnsembleSegmentor', members=[])))
    with pytest.raises(ConfigError, match='a file holds one network'):
        load_segmentor(cfg, str(files / 'iter_1.pth'))


def test_a_checkpoint_without_classes(files):
    checkpoint = torch.load(files / 'iter_1.pth', weights_only=True)
    del checkpoint['meta']
    torch.save(checkpoint, files / 'iter_1.pth')
    with pytest.raises(CheckpointError, match=r'no names of its 5 classes'):
        run(files, 'network.pt', *SIZE)
