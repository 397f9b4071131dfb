from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmengine.visualization import LocalVisBackend, Visualizer
from PIL import Image
from tiny_models import NUM_CLASSES, batch
from tiny_runs import METAINFO, equal, runner, weights

from mmuda.evaluation.training_pictures import (
    domain_tiles,
    learned_tiles,
    predict_logits,
)

HOOK = dict(type='DomainVisualizationHook', interval=2)
PALETTE = METAINFO['palette']


@pytest.fixture(scope='module')
def drawn(tmp_path_factory):
    run = runner(tmp_path_factory.mktemp('drawn'), 4, hooks=[HOOK])
    run.train()
    return run


def picture(run, name, **kwargs):
    path = Path(run.work_dir, f'vis_data/domains/{name}.png')
    return np.asarray(Image.open(path))


def test_a_picture_for_each_domain_and_interval(drawn):
    folder = Path(drawn.work_dir, 'vis_data/domains')
    assert sorted(path.name for path in folder.iterdir()) == [
        f'iter_{step}_{domain}.png'
        for step in (2, 4)
        for domain in ('source', 'target')
    ]


def test_source_has_a_label_and_target_none(drawn):
    # Images are 49 and 41 wide; the gap between two tiles is 6.
    assert picture(drawn, 'iter_2_source').shape[1] == 4 * 49 + 3 * 6
    assert picture(drawn, 'iter_2_target').shape[1] == 3 * 41 + 2 * 6


def test_large_images_are_thinned_out(tmp_path):
    run = runner(tmp_path, 1, [HOOK | dict(interval=1, max_height=17)])
    run.train()
    # 49 becomes 25.
    assert picture(run, 'iter_1_source').shape[1] == 4 * 25 + 3 * 6


def test_visualizer_gets_the_pictures(tmp_path):
    run = runner(
        tmp_path,
        2,
        hooks=[HOOK],
        visualizer=Visualizer(
            vis_backends=[LocalVisBackend(save_dir=str(tmp_path / 'backend'))]
        ),
    )
    run.train()
    shown = np.asarray(
        Image.open(tmp_path / 'backend/vis_image/domain_source_2.png')
    )
    assert (shown == picture(run, 'iter_2_source')).all()


def test_training_is_not_affected(tmp_path, drawn):
    plain = runner(tmp_path, 4)
    plain.train()
    assert equal(weights(plain), weights(drawn))


@pytest.fixture
def model(drawn):
    # Parts in different modes, as with frozen batch norm.
    drawn.model.train()
    drawn.model.segmentor.backbone.bn1.eval()
    return drawn.model


def predict(model):
    data = batch()
    return predict_logits(
        model, data['inputs']['target'][0], data['data_samples']['target'][0]
    )


def test_logits_have_the_size_of_the_image(model):
    assert predict(model).shape == (1, NUM_CLASSES, 33, 41)


def test_logits_are_those_of_the_evaluation(model):
    logits = predict(model)
    data = batch()
    model.eval()
    with torch.no_grad():
        sample = model.test_step(
            {key: value['target'] for key, value in data.items()}
        )[0]
    torch.testing.assert_close(logits[0], sample.seg_logits.data)


def test_buffers_are_not_changed(model):
    before = {k: v.clone() for k, v in model.state_dict().items()}
    predict(model)
    assert equal(before, model.state_dict())


def test_training_modes_are_not_changed(model):
    before = [part.training for part in model.modules()]
    predict(model)
    assert [part.training for part in model.modules()] == before
    assert len(set(before)) == 2


def test_random_state_is_not_changed(model):
    before = torch.get_rng_state()
    predict(model)
    assert torch.equal(torch.get_rng_state(), before)


def tiles(logits, **labels):
    data = batch()
    sample = data['data_samples']['target'][0]
    for name, label in labels.items():
        sample.set_data({name: PixelData(data=label)})
    return domain_tiles(data['inputs']['target'][0], sample, logits, PALETTE)


@pytest.fixture
def logits():
    values = torch.zeros(1, NUM_CLASSES, 33, 41)
    values[:, 3] = 1000
    return values


def test_tiles_without_labels(logits):
    assert list(tiles(logits)) == ['image', 'prediction', 'entropy']


def test_image_is_shown_as_rgb(logits):
    image = batch()['inputs']['target'][0]
    assert (
        tiles(logits)['image'][5, 7].tolist() == image[:, 5, 7].tolist()[::-1]
    )


def test_prediction_has_the_colour_of_its_class(logits):
    assert (tiles(logits)['prediction'] == PALETTE[3]).all()


def test_certain_prediction_is_dark(logits):
    assert tiles(logits)['entropy'].max() < 5


def test_uniform_prediction_is_bright(logits):
    assert tiles(0 * logits)['entropy'].mean(axis=(0, 1))[0] > 250


def test_pseudo_label_is_shown(logits):
    label = torch.full((1, 33, 41), 2)
    shown = tiles(logits, pseudo_sem_seg=label)['pseudo-label']
    assert (shown == PALETTE[2]).all()


MASKED = dict(terms=[dict(type='MaskedConsistency', block_size=8)])


def test_what_is_learned_of_a_target_is_a_row_of_its_own(tmp_path):
    run = runner(tmp_path / 'drawn', 3, hooks=[HOOK], model=MASKED)
    run.train()
    folder = tmp_path / 'drawn/vis_data/domains'
    assert sorted(path.name for path in folder.iterdir()) == [
        f'iter_2_{name}.png' for name in ('source', 'target', 'target_learned')
    ]
    # Source, target, pseudo-label, confidence, masked, prediction.
    assert picture(run, 'iter_2_target_learned').shape[1] == 49 + 5 * 47
    assert run.model.shown is None
    plain = runner(tmp_path / 'plain', 3, model=MASKED)
    plain.train()
    assert equal(weights(plain), weights(run))


def test_a_masked_source_is_a_row_without_a_target(tmp_path):
    term = dict(MASKED['terms'][0], mode='source')
    run = runner(tmp_path, 2, hooks=[HOOK], model=dict(terms=[term]))
    run.train()
    # Source, masked, prediction.
    assert picture(run, 'iter_2_source_learned').shape[1] == 49 + 2 * 55


@pytest.fixture
def row(model, logits):
    """Tiles of what is shown in the order in which a step makes it."""
    data = batch(source_size=(33, 41))
    domains = model.data_preprocessor(data, True)
    mixed, image = (d.images[0] for d in domains.domains.values())
    shown = dict(
        pseudo_label=torch.full((33, 41), 2),
        confidence=torch.linspace(0, 1, 41).expand(33, 41),
        masked=image * (torch.arange(41) < 20),
        mixed=mixed,
    )
    source, target = (
        domain_tiles(
            data['inputs'][name][0],
            data['data_samples'][name][0],
            logits,
            PALETTE,
        )
        for name in ('source', 'target')
    )
    tiles = learned_tiles(
        source, target, shown, model.data_preprocessor, PALETTE
    )
    return data['inputs'], tiles


def test_the_row_has_the_order_of_the_step(row):
    assert list(row[1]) == [
        *('source', 'target', 'pseudo-label', 'confidence'),
        *('mixed', 'masked', 'prediction'),
    ]


def test_normalised_images_are_shown_in_their_colours(row):
    images, tiles = row
    expected = images['source'][0].flip(0).permute(1, 2, 0).numpy()
    assert (tiles['mixed'] == expected).all()
    assert (tiles['source'] == expected).all()
    expected = images['target'][0].flip(0).permute(1, 2, 0).numpy()
    assert (tiles['masked'][:, :20] == expected[:, :20]).all()
    # What is hidden has the mean of all images, 127.5.
    assert (tiles['masked'][:, 20:] == 128).all()


def test_pseudo_labels_are_shown_with_what_is_sure(row):
    assert (row[1]['pseudo-label'] == PALETTE[2]).all()
    brightness = row[1]['confidence'][0].sum(axis=1).astype(int)
    assert (np.diff(brightness) >= 0).all()
    assert brightness[0] < 20
    assert brightness[-1] > 600
