"""Configs in checkpoints are data: nothing of them is run."""

import math

import pytest
import torch
from tiny_models import model_config

from mmuda.utils.checkpoint_configs import config_of_checkpoint
from mmuda.utils.config import config_text
from mmuda.utils.errors import CheckpointError

MODEL = f'model = {model_config("MinEnt")!r}\n'


def write(folder, text):
    path = folder / 'a.pth'
    torch.save(dict(state_dict={}, meta=dict(cfg=text)), path)
    return path


def test_values_of_all_kinds(tmp_path):
    text = (
        MODEL + 'tta_model = dict(\n'
        "    type='DomainTTAModel', a=[1, -2.5, None], b=(True, 'x' 'y'),\n"
        "    c={'k': {1, 2}, 3: inf}, d=-inf, e=float('inf'), f={})\n"
    )
    cfg = config_of_checkpoint(write(tmp_path, text))
    assert cfg.tta_model.to_dict() == dict(
        type='DomainTTAModel',
        a=[1, -2.5, None],
        b=(True, 'xy'),
        c={'k': {1, 2}, 3: math.inf},
        d=-math.inf,
        e=math.inf,
        f={},
    )
    assert cfg.model.segmentor.decode_head.num_classes == 5


def test_the_text_of_a_config_is_read(tmp_path):
    cfg = config_of_checkpoint(write(tmp_path, MODEL + 'train_cfg = {}\n'))
    again = config_of_checkpoint(write(tmp_path, config_text(cfg)))
    assert again.to_dict() == cfg.to_dict()
    # What a prediction does not need is not taken.
    assert 'train_cfg' not in again


def test_ids_of_labels_are_read_as_they_are_recorded(tmp_path):
    table = {7: 0, 26: 1, 'others': 255}
    data = f'test_dataloader = dict(dataset=dict(label_table={table}))\n'
    recorded = config_text(config_of_checkpoint(write(tmp_path, MODEL + data)))
    assert 'label_table=dict({' in ''.join(recorded.split())
    again = config_of_checkpoint(write(tmp_path, recorded))
    assert again.test_dataloader.dataset.label_table == table


@pytest.mark.parametrize(
    'text',
    [
        "__import__('os').mkdir('made')",
        "import os\nos.mkdir('made')",
        "model = dict(a=__import__('os').mkdir('made'))",
        "model = dict(**__import__('os').environ)",
        'model = [i for i in range(3)]',
        "model = f'{1}'",
        'model = (lambda: 1)',
        'model = open',
        'model = dict(a=1) | dict(b=2)',
        "model = dict({'a': __import__('os').mkdir('made')})",
        "model = dict({**__import__('os').environ})",
        "model = dict([('a', 1)])",
        'model.a = 3',
        'a, b = 1, 2',
        'model = dict(',
        'model = ' + '(' * 500 + ')' * 500,
        'model = ' + '-' * 5000 + '1',
        # no values either, and no reason to stop with a traceback
        "model = -'a'",
        'model = {[1]: 2}',
        'model = {[1]}',
        'model = float([1])',
        f'model = float({10**400})',
    ],
)
def test_code_is_refused(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, text)
    with pytest.raises(CheckpointError, match='more than data'):
        config_of_checkpoint(path)
    assert not (tmp_path / 'made').exists()


@pytest.mark.parametrize(
    'kind',
    [
        *('os.mkdir', 'os.path.join', 'Unknown', 'mmuda.os.mkdir'),
        'mmseg.LoadBiomedicalData',
    ],
)
def test_types_that_would_be_imported_are_refused(tmp_path, kind):
    """MMEngine imports what no registry has by its dotted name."""
    text = MODEL + f"test_pipeline = [dict(type='{kind}', path='made')]\n"
    text += "custom_imports = dict(imports=['my_package'])\n"
    with pytest.raises(CheckpointError, match='types that mmuda does not'):
        config_of_checkpoint(write(tmp_path, text))


@pytest.mark.parametrize('text', [None, '', 3, 'a = 1'])
def test_a_checkpoint_without_a_config(tmp_path, text):
    with pytest.raises(CheckpointError, match='--config'):
        config_of_checkpoint(write(tmp_path, text))


@pytest.mark.parametrize(
    'text',
    [
        MODEL + "default_scope = 'mmpretrain'",
        MODEL + "default_scope = ''",
        MODEL + "default_scope = ['mmuda']",
        MODEL.replace('{', "{'_scope_': 'mmuda.os', ", 1),
        MODEL + "test_pipeline = [dict(type='Resize', _scope_='os')]",
        MODEL + "tta_model = dict(type='DomainTTAModel', a=[{'_scope_': 1}])",
    ],
)
def test_scopes_of_other_packages_are_refused(tmp_path, text):
    """MMEngine imports the registry of a scope."""
    with pytest.raises(CheckpointError, match='packages that would be imp'):
        config_of_checkpoint(write(tmp_path, text))


def test_scopes_of_what_is_installed_with_mmuda_are_kept(tmp_path):
    text = MODEL + "default_scope = 'mmseg'\n"
    text += "test_pipeline = [dict(type='Resize', _scope_='mmcv')]\n"
    cfg = config_of_checkpoint(write(tmp_path, text))
    assert cfg.default_scope == 'mmseg'
    assert cfg.test_pipeline[0].to_dict() == dict(
        type='Resize', _scope_='mmcv'
    )
