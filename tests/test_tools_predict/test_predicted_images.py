"""Files that tools/predict.py writes of images."""

import json
import os
import re
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from predicting_network import LABELS, files_below

from mmuda.apis import Segmenter
from mmuda.datasets.server_formats import FORMATS


def test_a_folder(predict, images, tmp_path, small):
    out = tmp_path / 'out'
    code, printed = predict(
        images, '--out', out, '--overlay', '--entropy', '--probabilities'
    )
    assert code == 0, printed
    assert 'Predicted 3 images' in printed
    expected = ['predictions.json']
    for kind in ('labels', 'overlay', 'entropy', 'probabilities'):
        ending = '.npz' if kind == 'probabilities' else '.png'
        expected += [f'{kind}/{n[:-4]}{ending}' for n in LABELS]
    assert files_below(out) == sorted(expected)
    own = Segmenter(small['config'], small['checkpoint'], 'cpu')
    sources = 'a.jpg', 'a.png', 'town/a.png'
    for name, image in zip(LABELS, sources, strict=True):
        result = own.predict(
            str(images / image), outputs=('entropy', 'probabilities')
        )
        label = Image.open(out / 'labels' / name)
        assert label.mode == 'P'
        assert np.array_equal(np.asarray(label), result.label_map)
        drawn = np.asarray(Image.open(out / 'overlay' / name))
        assert np.array_equal(drawn, result.overlay())
        drawn = np.asarray(Image.open(out / 'entropy' / name))
        assert np.array_equal(drawn, result.entropy_picture())
        with np.load(out / f'probabilities/{name[:-4]}.npz') as stored:
            values = stored['probabilities']
            assert list(stored['classes']) == list(own.classes)
        assert abs(values - result.probabilities).max() < 1e-3


def test_a_run_goes_on_where_it_stopped(predict, images, tmp_path):
    out = tmp_path / 'out'
    assert predict(images, '--out', out)[0] == 0
    kept, damaged, older = (out / 'labels' / name for name in LABELS)
    times = kept.stat().st_mtime_ns
    damaged.write_bytes(damaged.read_bytes()[:-20])
    os.utime(older, ns=(1, 1))
    code, printed = predict(images, '--out', out)
    assert code == 0
    assert 'Predicted 2 images, 1 there already' in printed
    assert kept.stat().st_mtime_ns == times
    assert np.asarray(Image.open(damaged)).shape == (48, 96)
    # What is asked for now has to be there, too.
    code, printed = predict(images, '--out', out, '--overlay')
    assert 'Predicted 3 images:' in printed
    code, printed = predict(images, '--out', out, '--overwrite')
    assert 'Predicted 3 images:' in printed


def test_predictions_of_two_networks_are_not_mixed(predict, images, tmp_path):
    out = tmp_path / 'out'
    assert predict(images / 'a.png', '--out', out)[0] == 0
    code, printed = predict(images / 'a.png', '--out', out, '--tta')
    assert code == 2
    assert 'made otherwise (config)' in printed
    code, printed = predict(
        images / 'a.png', '--out', out, '--tta', '--overwrite'
    )
    assert code == 0, printed
    record = json.loads((out / 'predictions.json').read_text())
    assert len(record['network']['checkpoints'][0]) == 64


def test_an_unreadable_image_is_named_and_the_others_go_on(
    predict, images, tmp_path
):
    (images / 'b.jpg').write_bytes((images / 'a.jpg').read_bytes()[:-40])
    code, printed = predict(images, '--out', tmp_path / 'out')
    assert code == 1
    assert 'Predicted 3 images' in printed
    assert f'{str(images / "b.jpg")!r}' in printed
    assert '1 image(s) cannot be read' in printed


@pytest.mark.parametrize('server', ['cityscapes', 'acdc'])
def test_ids_of_a_server(predict, images, tmp_path, small, server):
    out = tmp_path / 'out'
    code, printed = predict(images / 'a.png', '--out', out, '--ids', server)
    assert code == 0, printed
    own = Segmenter(small['config'], small['checkpoint'], 'cpu')
    result = own.predict(str(images / 'a.png'))
    ids = Image.open(out / 'labels/a.png')
    assert ids.mode == 'L'
    table = FORMATS[server].table(own.classes)
    assert np.array_equal(np.asarray(ids), table[result.label_map])


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package on the path, and the file that an import of it makes."""
    folder, made = tmp_path / 'other_package', tmp_path / 'made'
    folder.mkdir()
    (folder / '__init__.py').write_text(f"open({str(made)!r}, 'w').close()")
    (folder / 'registry.py').write_text('')
    monkeypatch.syspath_prepend(tmp_path)
    yield folder.name, made
    sys.modules.pop(folder.name, None)
    sys.modules.pop(f'{folder.name}.registry', None)


@pytest.mark.parametrize(
    ('old', 'new', 'code'),
    [
        ('(default_scope ?= ?).*', r"\1'{}'", 2),
        (r'(\nmodel ?= ?dict\()', r"\1_scope_='{}', ", 2),
        (r'(decode_head=dict\()', r"\1_scope_='{}', ", 2),
        ("type='(AdvEnt)'", r"type='{}.\1'", 2),
        (r'(\nmodel ?=)', r"\ncustom_imports = dict(imports=['{}'])\1", 0),
    ],
)
def test_a_checkpoint_imports_no_package(
    predict, images, tmp_path, small, package, old, new, code
):
    name, made = package
    content = torch.load(small['checkpoint'])
    text, count = re.subn(old, new.format(name), content['meta']['cfg'])
    assert count >= 1
    content['meta']['cfg'] = text
    torch.save(content, tmp_path / 'a.pth')
    found, printed = predict(
        *(images / 'a.png', '--out', tmp_path / 'out'),
        checkpoint=tmp_path / 'a.pth',
    )
    assert not made.exists()
    assert found == code, printed
    if code:
        assert printed.count('error: ') == 1
        assert 'pass the config that it was trained with' in printed


@pytest.mark.parametrize(
    ('option', 'told'),
    [
        ('setting=gta2cs', 'name the config (--config) to change its setting'),
        ('modle.teacher=True', "did you mean 'model'"),
        ('model.segmentor.test_cfg.mode=slide', "are needed by mode='slide'"),
    ],
)
def test_options_that_do_nothing(predict, images, tmp_path, option, told):
    out = tmp_path / 'out'
    code, printed = predict(images, '--out', out, '--cfg-options', option)
    assert code == 2
    assert told in printed
    assert not out.exists()


def test_a_setting_needs_a_config(predict, images, tmp_path):
    code, printed = predict(
        images, '--out', tmp_path / 'out', '--setting', 'gta2cs'
    )
    assert code == 2
    assert 'name the config (--config)' in printed


@pytest.mark.parametrize('device', ['gpu', 'cuda:99', 'cpu:x', ''])
def test_a_device_that_is_not_there(predict, images, tmp_path, device):
    out = tmp_path / 'out'
    code, printed = predict(images, '--out', out, device=device)
    assert code == 2
    count = torch.cuda.device_count()
    assert (
        f"device '{device}': take cpu, cuda or cuda:N; this machine has "
        f'{count} GPU'
    ) in printed
    assert not out.exists()
