"""The converters of MTAF, CoaST and MLCL, run on files."""

import os
import runpy
from pathlib import Path

import golden_inputs
import numpy as np
import published_networks as plain
import pytest
import torch

from mmuda.convert import from_coast as coast
from mmuda.convert import from_mtaf as mtaf
from mmuda.utils.errors import CheckpointError

TOOLS = Path(__file__).parents[2] / 'tools' / 'model_converters'
TARGETS = ('cityscapes', 'idd')
SIZES = (plain.NUM_CLASSES, 32, 16)


def run(name, *args):
    tool = runpy.run_path(str(TOOLS / f'{name}.py'))
    words = (*args, '--targets', *TARGETS, '--stage-blocks', 1, 1, 1, 1)
    tool['main'](tool['parse_args']([str(word) for word in words]))


def load(path):
    return torch.load(path, weights_only=True)


def mtaf_network(targets):
    layout = mtaf.segmentor_layout(
        targets, plain.BLOCKS, ('decode', 'aux'), plain.WIDTH
    )
    return plain.fill(layout.shapes)


def coast_network(num_heads):
    layout = coast.segmentor_layout(
        TARGETS, plain.BLOCKS, num_heads, plain.WIDTH, SIZES
    )
    return plain.fill(layout.shapes)


def coast_checkpoint(num_heads, **further):
    return {
        'ResNet101': {'model_state': coast_network(num_heads)},
        'iter': 4001,
        **further,
    }


@pytest.fixture
def multi_dis(tmp_path):
    """A folder as the published training of Multi-Dis leaves it."""
    files = {'model_2000': mtaf_network(())}
    endings = ('main_0', 'main_1', 'aux_0', 'aux_1', 'target', 'target_aux')
    for seed, ending in enumerate(endings):
        files[f'model_2000_D_{ending}'] = {
            name: tensor.half()
            for name, tensor in golden_inputs.discriminator_state_dict(
                'd_main', seed
            ).items()
        }
    folder = tmp_path / 'published'
    folder.mkdir()
    for name, state_dict in files.items():
        torch.save(state_dict, folder / f'{name}.pth')
    return folder


def test_multi_dis_survives_both_directions(multi_dis, tmp_path):
    own, back = tmp_path / 'own.pth', tmp_path / 'back'
    run('mtaf', multi_dis / 'model_2000.pth', own, '--discriminators')
    run('mtaf', own, back / 'model_2000.pth', '--reverse', '--discriminators')
    names = sorted(path.name for path in multi_dis.iterdir())
    assert names == sorted(path.name for path in back.iterdir())
    for name in names:
        torch.testing.assert_close(
            load(back / name), load(multi_dis / name), rtol=0, atol=0
        )


def test_second_discriminator_of_multi_dis_is_the_second_targets(
    multi_dis, tmp_path
):
    run(
        'mtaf',
        multi_dis / 'model_2000.pth',
        tmp_path / 'own.pth',
        '--discriminators',
    )
    own = load(tmp_path / 'own.pth')['state_dict']
    assert torch.equal(
        own['discriminator_source_idd.levels.aux.layers.2.bias'],
        load(multi_dis / 'model_2000_D_aux_1.pth')['2.bias'],
    )


def test_missing_discriminator_writes_nothing(multi_dis, tmp_path):
    (multi_dis / 'model_2000_D_target.pth').unlink()
    own = tmp_path / 'own.pth'
    with pytest.raises(CheckpointError, match=r'2000_D_target\.pth: no such'):
        run('mtaf', multi_dis / 'model_2000.pth', own, '--discriminators')
    assert not own.exists()


def test_mtkt_survives_both_directions(tmp_path):
    published = mtaf_network(TARGETS)
    torch.save(published, tmp_path / 'model.pth')
    run('mtaf', tmp_path / 'model.pth', tmp_path / 'own.pth')
    run('mtaf', tmp_path / 'own.pth', tmp_path / 'back.pth', '--reverse')
    torch.testing.assert_close(
        load(tmp_path / 'back.pth'), published, rtol=0, atol=0
    )


@pytest.mark.parametrize('num_heads', [3, 4])
@pytest.mark.parametrize('zipped', [True, False])
def test_self_training_survives_both_directions(tmp_path, num_heads, zipped):
    published = coast_checkpoint(num_heads, best_iou=np.float64(0.7326))
    torch.save(
        published,
        tmp_path / 'best_model.pkl',
        # PyTorch 1.4, which the code asks for, knows the old format only.
        _use_new_zipfile_serialization=zipped,
    )
    run('coast', tmp_path / 'best_model.pkl', tmp_path / 'own.pth')
    run('coast', tmp_path / 'own.pth', tmp_path / 'back.pkl', '--reverse')
    torch.testing.assert_close(
        load(tmp_path / 'back.pkl'),
        {**published, 'best_iou': 0.7326},
        rtol=0,
        atol=0,
    )


def test_warm_up_leaves_its_discriminator_out(tmp_path):
    published = coast_checkpoint(
        2,
        FCDiscriminator={'model_state': {'conv1.bias': torch.zeros(64)}},
        best_iou=np.float64(0.5),
    )
    torch.save(published, tmp_path / 'warm_up.pkl')
    run('coast', tmp_path / 'warm_up.pkl', tmp_path / 'own.pth')
    run('coast', tmp_path / 'own.pth', tmp_path / 'back.pkl', '--reverse')
    torch.testing.assert_close(
        load(tmp_path / 'back.pkl'), coast_checkpoint(2), rtol=0, atol=0
    )


def test_self_training_is_not_taken_for_a_warm_up(tmp_path):
    # Without the IoU three heads could be those of three targets.
    published = coast_checkpoint(2, best_iou=0.7)
    torch.save(published, tmp_path / 'best.pkl')
    with pytest.raises(CheckpointError, match='2 heads, which do not fit'):
        run('coast', tmp_path / 'best.pkl', tmp_path / 'own.pth')
    assert not (tmp_path / 'own.pth').exists()


@pytest.mark.parametrize('tool', ['mtaf', 'coast'])
def test_classes_of_published_network_are_stored(tmp_path, tool):
    published = {
        'mtaf': mtaf_network(TARGETS),
        'coast': coast_checkpoint(3),
    }
    torch.save(published[tool], tmp_path / 'published.pkl')
    run(tool, tmp_path / 'published.pkl', tmp_path / 'own.pth')
    classes = load(tmp_path / 'own.pth')['meta']['dataset_meta']['classes']
    assert (len(classes), classes[0]) == (7, 'flat')


def test_names_of_data_parallel_are_read(tmp_path):
    network = {f'module.{k}': v for k, v in coast_network(3).items()}
    torch.save({'ResNet101': {'model_state': network}}, tmp_path / 'dp.pkl')
    run('coast', tmp_path / 'dp.pkl', tmp_path / 'own.pth')
    own = load(tmp_path / 'own.pth')['state_dict']
    assert torch.equal(
        own['segmentor.backbone.conv1.weight'], network['module.conv1.weight']
    )


def test_iteration_of_an_own_training_is_written(tmp_path):
    own = coast.segmentor_from_published(
        coast_network(3), TARGETS, stage_blocks=plain.BLOCKS
    )
    checkpoint = dict(meta=dict(iter=60000), state_dict=own)
    torch.save(checkpoint, tmp_path / 'iter_60000.pth')
    run(
        'coast', tmp_path / 'iter_60000.pth', tmp_path / 'net.pkl', '--reverse'
    )
    assert load(tmp_path / 'net.pkl')['iter'] == 60000


class Harmful:
    def __reduce__(self):
        return os.mkdir, ('harmed',)


def test_code_in_a_checkpoint_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(coast_checkpoint(3, best_iou=Harmful()), 'best.pkl')
    with pytest.raises(CheckpointError, match=r'best\.pkl: refused.*mkdir'):
        run('coast', 'best.pkl', 'own.pth')
    assert [path.name for path in tmp_path.iterdir()] == ['best.pkl']
