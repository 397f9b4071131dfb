"""The converter of detectron2's DeepLabV3+, run on files."""

import pickle
import runpy
from collections import OrderedDict
from pathlib import Path

import detectron2_network as plain
import numpy as np
import pytest
import torch

from mmuda.convert.from_detectron2 import segmentor_from_published
from mmuda.utils.errors import CheckpointError

TOOL = (
    Path(__file__).parents[2] / 'tools' / 'model_converters' / 'detectron2.py'
)
PREDICTOR = 'sem_seg_head.predictor'


def run(*args):
    tool = runpy.run_path(str(TOOL))
    blocks = ('--stage-blocks', *map(str, plain.BLOCKS))
    tool['main'](tool['parse_args']([*map(str, args), *blocks]))


def load(path):
    return torch.load(path, weights_only=True)


def checkpoint():
    """What detectron2's checkpointer saves."""
    return dict(
        model=plain.published(),
        optimizer=dict(state={}, param_groups=[]),
        scheduler=dict(base_lrs=[0.002], last_epoch=8000),
        iteration=7999,
    )


def arrays():
    return {name: t.numpy() for name, t in plain.published().items()}


def save_zip(path):
    torch.save(checkpoint(), path)


def save_old(path):
    torch.save(checkpoint(), path, _use_new_zipfile_serialization=False)


def save_pickle(path, protocol=2):
    content = dict(model=OrderedDict(arrays()), __author__='somebody')
    path.write_bytes(pickle.dumps(content, protocol=protocol))


@pytest.mark.parametrize('save', [save_zip, save_old, save_pickle])
def test_published_file_is_converted(tmp_path, save):
    save(tmp_path / 'model_final.pth')
    run(tmp_path / 'model_final.pth', tmp_path / 'own.pth')
    expected = segmentor_from_published(
        plain.published(), stage_blocks=plain.BLOCKS
    )
    own = load(tmp_path / 'own.pth')['state_dict']
    torch.testing.assert_close(own, expected, rtol=0, atol=0)


def test_number_of_classes_names_them(tmp_path):
    content = checkpoint()
    for kind in ('weight', 'bias'):
        name = f'{PREDICTOR}.{kind}'
        tensor = content['model'][name]
        content['model'][name] = tensor.repeat(4, *[1] * (tensor.ndim - 1))[
            :20
        ]
    torch.save(content, tmp_path / 'model.pth')
    run(tmp_path / 'model.pth', tmp_path / 'own.pth')
    meta = load(tmp_path / 'own.pth')['meta']
    assert meta['dataset_meta']['classes'][-1] == 'bicycle'
    assert meta['published'] == dict(iteration=7999)


def test_file_survives_both_directions(tmp_path):
    save_zip(tmp_path / 'model.pth')
    run(tmp_path / 'model.pth', tmp_path / 'own.pth', '--no-void')
    back = tmp_path / 'back.pth'
    run(tmp_path / 'own.pth', back, '--reverse', '--no-void')
    result = load(back)
    assert result['iteration'] == 7999
    torch.testing.assert_close(
        result['model'], plain.published(), rtol=0, atol=0
    )


def test_buffers_of_normalisation_are_left_out(tmp_path):
    content = checkpoint()
    content['model']['pixel_mean'] = torch.zeros(3, 1, 1)
    torch.save(content, tmp_path / 'model.pth')
    run(tmp_path / 'model.pth', tmp_path / 'own.pth')
    own = load(tmp_path / 'own.pth')['state_dict']
    assert all(name.startswith('segmentor.') for name in own)


@pytest.mark.parametrize('protocol', [2, 4])
def test_zoo_weights_become_those_of_a_backbone(tmp_path, protocol):
    own = {
        name.removeprefix('backbone.'): array
        for name, array in arrays().items()
        if name.startswith('backbone.') and 'num_batches' not in name
    }
    own['stem.fc.bias'] = np.zeros(1000, np.float32)
    content = dict(model=own, matching_heuristics=True)
    path = tmp_path / 'R-103.pkl'
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    run(path, tmp_path / 'backbone.pth', '--backbone')
    state_dict = load(tmp_path / 'backbone.pth')['state_dict']
    old = plain.published()['backbone.res4.0.conv2.weight']
    assert torch.equal(state_dict['layer3.0.conv2.weight'], old)
    assert state_dict['stem.1.num_batches_tracked'] == 0


class Harmful:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, 'w')


def test_pickle_with_code_is_refused(tmp_path):
    touched = tmp_path / 'touched'
    path = tmp_path / 'R-103.pkl'
    path.write_bytes(pickle.dumps(dict(model=Harmful(touched))))
    with pytest.raises(CheckpointError, match=r'pkl: refused, .* \S*io.*open'):
        run(path, tmp_path / 'own.pth')
    assert not touched.exists()


@pytest.mark.parametrize('content', [b'', b'<html>', b'\x80\x04K\x05.'])
def test_unusable_file_is_named(tmp_path, content):
    path = tmp_path / 'R-103.pkl'
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r'R-103\.pkl: (cannot|holds)'):
        run(path, tmp_path / 'own.pth')
    assert not (tmp_path / 'own.pth').exists()


def test_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match='no such checkpoint file'):
        run(tmp_path / 'absent.pkl', tmp_path / 'own.pth')


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('backbone.res2.0.conv1.weight', 'missing: backbone.res2.0.conv1'),
        ('backbone.stem.conv3.weight', 'missing: backbone.stem.conv3'),
        (f'{PREDICTOR}.bias', 'missing: sem_seg_head.predictor.bias'),
    ],
)
def test_missing_tensor_is_named(name, message):
    state_dict = plain.published()
    del state_dict[name]
    with pytest.raises(CheckpointError, match=rf'net\.pth .*{message}'):
        segmentor_from_published(state_dict, 'net.pth', plain.BLOCKS)


def test_tensor_of_other_shape_is_named():
    state_dict = plain.published()
    name = 'sem_seg_head.decoder.res5.project_conv.convs.1.weight'
    state_dict[name] = torch.zeros(8, 256, 1, 1)
    with pytest.raises(CheckpointError, match=rf'{name} has the shape \(8, '):
        segmentor_from_published(state_dict, 'net.pth', plain.BLOCKS)


def test_separable_network_is_refused():
    state_dict = plain.published()
    name = 'sem_seg_head.decoder.res2.fuse_conv.depthwise.weight'
    state_dict[name] = torch.zeros(1)
    with pytest.raises(CheckpointError, match='unknown: .*depthwise'):
        segmentor_from_published(state_dict, 'net.pth', plain.BLOCKS)
