"""The tools below tools/model_converters, run on files."""

import importlib.util
from pathlib import Path

import golden_inputs
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmseg.apis import init_model

from mmuda.registry import MODELS
from mmuda.utils.errors import CheckpointError, ConfigError

TOOLS = Path(__file__).parents[2] / 'tools' / 'model_converters'
BLOCKS = ('--stage-blocks', '1', '1', '1', '1')


def load_tool(name):
    spec = importlib.util.spec_from_file_location(name, TOOLS / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(name, *args):
    tool = load_tool(name)
    tool.main(tool.parse_args([str(arg) for arg in args]))


def load(path):
    return torch.load(path, weights_only=True)


def half(state_dict):
    """Halve the files' size; the numbers don't matter here."""
    return {name: tensor.half() for name, tensor in state_dict.items()}


@pytest.fixture(scope='module')
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp('published')
    torch.save(half(golden_inputs.network_state_dict()), folder / 'net.pth')
    for name in ('d_main', 'd_aux'):
        state_dict = half(golden_inputs.discriminator_state_dict(name))
        torch.save(state_dict, folder / f'{name}.pth')
    return folder


@pytest.fixture(scope='module')
def converted(published):
    run(
        'advent',
        published / 'net.pth',
        published / 'own.pth',
        '--discriminator-main',
        published / 'd_main.pth',
        '--discriminator-aux',
        published / 'd_aux.pth',
        *BLOCKS,
    )
    return published / 'own.pth'


def test_main_discriminator_becomes_level_decode(published, converted):
    own = load(converted)['state_dict']
    assert torch.equal(
        own['discriminator.levels.decode.layers.8.bias'],
        load(published / 'd_main.pth')['8.bias'],
    )


def test_classes_of_published_network_are_stored(converted):
    classes = load(converted)['meta']['dataset_meta']['classes']
    assert (len(classes), classes[0]) == (19, 'road')


def test_both_directions_give_the_published_files(
    published, converted, tmp_path
):
    run(
        'advent',
        converted,
        tmp_path / 'net.pth',
        '--reverse',
        '--discriminator-main',
        tmp_path / 'd_main.pth',
        '--discriminator-aux',
        tmp_path / 'd_aux.pth',
        *BLOCKS,
    )
    for name in ('net', 'd_main', 'd_aux'):
        back = load(tmp_path / f'{name}.pth')
        expected = load(published / f'{name}.pth')
        back = {k: v for k, v in back.items() if 'num_batches' not in k}
        torch.testing.assert_close(back, expected, rtol=0, atol=0)


def test_network_of_other_depth_writes_nothing(published, tmp_path):
    with pytest.raises(CheckpointError, match=r'net\.pth .* missing'):
        run('advent', published / 'net.pth', tmp_path / 'own.pth')
    assert list(tmp_path.iterdir()) == []


def test_absent_discriminator_writes_nothing(published, tmp_path):
    run('advent', published / 'net.pth', tmp_path / 'own.pth', *BLOCKS)
    files = (tmp_path / 'net.pth', tmp_path / 'd.pth')
    with pytest.raises(CheckpointError, match="level 'aux'"):
        run(
            'advent',
            tmp_path / 'own.pth',
            files[0],
            '--reverse',
            '--discriminator-aux',
            files[1],
            *BLOCKS,
        )
    assert not any(file.exists() for file in files)


METHOD_CONFIG = """
default_scope = 'mmuda'
model = dict(
    type='SourceOnly',
    segmentor=dict(
        type='UDAEncoderDecoder',
        backbone=dict(type='{backbone}', depth=18, base_channels=8,
                      stem_channels=8, out_indices=(3, ),
                      strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4)),
        decode_head={head}),
    data_preprocessor=dict(
        type='DomainDataPreprocessor', mean=[104.0, 116.7, 122.7],
        std=[1.0, 1.0, 1.0], bgr_to_rgb=False))
"""
DEEPLAB = dict(
    backbone='DeepLabResNet',
    head="dict(type='DLV2Head', in_channels=64, in_index=0, num_classes=3)",
)
STOCK = dict(
    backbone='ResNet',
    head="dict(type='FCNHead', in_channels=64, channels=8, in_index=0, "
    'num_convs=1, concat_input=False, num_classes=3)',
)


@pytest.fixture(params=[DEEPLAB, STOCK], ids=['deeplab', 'stock'])
def trained(request, tmp_path):
    """A config, a checkpoint as a runner writes it, and the network."""
    config = tmp_path / 'method.py'
    config.write_text(METHOD_CONFIG.format(**request.param))
    segmentor = MODELS.build(Config.fromfile(config).model.segmentor)
    for module in segmentor.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
    state_dict = {
        f'segmentor.{k}': v for k, v in segmentor.state_dict().items()
    }
    state_dict['discriminator.levels.decode.layers.0.bias'] = torch.ones(64)
    checkpoint = dict(
        meta=dict(
            dataset_meta=dict(classes=('a', 'b', 'c'), palette=[[0, 1, 2]] * 3)
        ),
        state_dict=state_dict,
        message_hub=dict(log_scalars=dict(loss=HistoryBuffer([1.0], [1]))),
        optimizer=dict(state={}),
    )
    torch.save(checkpoint, tmp_path / 'iter_1.pth')
    segmentor.eval()
    return tmp_path, segmentor


@pytest.fixture
def extracted(trained):
    folder, segmentor = trained
    run(
        'extract_segmentor',
        folder / 'iter_1.pth',
        folder / 'plain.pth',
        '--config',
        folder / 'method.py',
        '--out-config',
        folder / 'plain.py',
    )
    return folder, segmentor


def test_extracted_file_holds_only_network_and_classes(extracted):
    folder, segmentor = extracted
    checkpoint = load(folder / 'plain.pth')
    assert set(checkpoint) == {'meta', 'state_dict'}
    assert list(checkpoint['state_dict']) == list(segmentor.state_dict())
    assert checkpoint['meta']['dataset_meta']['classes'] == ('a', 'b', 'c')


@pytest.fixture
def plain_model(extracted):
    folder, _ = extracted
    return init_model(
        folder / 'plain.py', str(folder / 'plain.pth'), device='cpu'
    )


def test_stock_mmseg_computes_the_same_logits(plain_model, extracted):
    _, segmentor = extracted
    image = torch.randn(1, 3, 65, 97)
    with torch.no_grad():
        expected = segmentor(image)
        assert torch.equal(plain_model(image), expected)


def test_stock_mmseg_knows_the_classes(plain_model):
    assert plain_model.dataset_meta['classes'] == ('a', 'b', 'c')


def test_plain_config_must_be_a_python_file(extracted):
    folder, _ = extracted
    with pytest.raises(ConfigError, match='--out-config'):
        run(
            'extract_segmentor',
            folder / 'iter_1.pth',
            folder / 'again.pth',
            '--config',
            folder / 'method.py',
            '--out-config',
            folder / 'plain.txt',
        )
    assert not (folder / 'again.pth').exists()


def test_config_needs_an_output(tmp_path, capsys):
    with pytest.raises(SystemExit):
        run('extract_segmentor', 'a.pth', 'b.pth', '--config', 'c.py')
    assert '--out-config' in capsys.readouterr().err


def refuses(folder, name, *words):
    """Whether a tool names two files that are one, and changes none."""
    before = {file: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(ConfigError, match='is the same file as'):
        run(name, *words)
    return {file: file.read_bytes() for file in folder.iterdir()} == before


@pytest.fixture
def given(tmp_path):
    for name in ('a.pth', 'b.pth', 'mine.py'):
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    ('output', 'out_config'),
    [('a.pth', 'new.py'), ('new.pth', 'mine.py'), ('new.py', 'new.py')],
)
def test_extracting_replaces_no_input(given, output, out_config):
    words = [given / 'a.pth', given / output, '--config', given / 'mine.py']
    words += ['--out-config', given / out_config]
    assert refuses(given, 'extract_segmentor', *words)


@pytest.mark.parametrize('name', ['daformer', 'detectron2', 'vfm_uda'])
def test_converting_replaces_no_input(given, name):
    same = given / '..' / given.name / 'a.pth'
    assert refuses(given, name, given / 'a.pth', same)


@pytest.mark.parametrize(
    ('output', 'discriminator', 'words'),
    [
        ('b.pth', 'b.pth', []),
        ('new.pth', 'a.pth', ['--reverse']),
        ('new.pth', 'new.pth', ['--reverse']),
    ],
)
def test_discriminators_are_files_of_their_own(
    given, output, discriminator, words
):
    words = [*words, '--discriminator-main', given / discriminator]
    words = [given / 'a.pth', given / output, *words]
    assert refuses(given, 'advent', *words)
