"""Networks and ensembles as predictors."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from labeling_runs import CLASSES, build_model
from mmseg.structures import SegDataSample
from tiny_models import model_config

from mmuda.models.segmentors import SegmentorEnsemble
from mmuda.pseudo_labels.predictor import Predictor, valid_area
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

SIZE = (40, 56)


def batch(count=2, size=SIZE, **meta):
    generator = torch.Generator().manual_seed(3)
    images = [
        torch.randint(0, 256, (3, *size), generator=generator).byte()
        for _ in range(count)
    ]
    info = dict(ori_shape=size, img_shape=size) | meta
    samples = [SegDataSample(metainfo=info) for _ in range(count)]
    return dict(inputs=images, data_samples=samples)


def logits_of(model, data):
    images = (torch.stack(data['inputs']).float() - 127.5) / 127.5
    with torch.no_grad():
        return model.segmentor(images)


def up(values, size=SIZE):
    return F.interpolate(values, size, mode='bilinear', align_corners=True)


def ensemble(tmp_path, weights=(0.25, 0.75)):
    """Two models and their ensemble."""
    models = [build_model(seed) for seed in (0, 1)]
    files = []
    for index, model in enumerate(models):
        files.append(str(tmp_path / f'{index}.pth'))
        torch.save(dict(state_dict=model.state_dict()), files[-1])
    segmentor = models[0].segmentor
    config = model_config('MinEnt')
    for head in ('decode_head', 'auxiliary_head'):
        config['segmentor'][head]['num_classes'] = segmentor.num_classes
    both = MODELS.build(
        dict(
            type='SegmentorEnsemble',
            models=[config, config],
            checkpoints=files,
            weights=list(weights),
            data_preprocessor=config['data_preprocessor'],
        )
    )
    assert isinstance(both, SegmentorEnsemble)
    return models, both.eval()


def test_probabilities_of_a_single_network():
    model, data = build_model(), batch()
    expected = up(logits_of(model, data).softmax(1))
    torch.testing.assert_close(
        Predictor(model)(batch()).full.whole(), expected
    )


@pytest.mark.parametrize('order', ['softmax_first', 'upsample_first'])
def test_probabilities_in_mixed_precision_are_those_of_such_logits(order):
    model, data = build_model(), batch()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        logits = logits_of(model, data)
    assert not torch.equal(logits, logits_of(model, data))
    expected = up(logits.softmax(1))
    if order == 'upsample_first':
        expected = up(logits).softmax(1)
    actual = Predictor(model, order=order, precision='bf16')(batch())
    actual = actual.full.whole()
    assert actual.dtype == torch.float32
    torch.testing.assert_close(actual, expected)


def test_upsampled_logits():
    model, data = build_model(), batch()
    expected = up(logits_of(model, data)).softmax(1)
    actual = Predictor(model, order='upsample_first')(batch()).full.whole()
    torch.testing.assert_close(actual, expected)


def test_coarse_probabilities_are_those_of_the_logits():
    model, data = build_model(), batch()
    expected = logits_of(model, data).softmax(1)
    actual = Predictor(model, coarse=True)(batch()).coarse
    torch.testing.assert_close(actual, expected)


def test_ensemble_sums_weighted_logits(tmp_path):
    models, both = ensemble(tmp_path)
    first, second = (logits_of(model, batch()) for model in models)
    expected = up((0.25 * first + 0.75 * second).softmax(1))
    torch.testing.assert_close(Predictor(both)(batch()).full.whole(), expected)


def test_weights_are_shares(tmp_path):
    _, both = ensemble(tmp_path, (1, 3))
    shares = Predictor(both)(batch()).full.whole()
    both.weights = [0.25, 0.75]
    torch.testing.assert_close(Predictor(both)(batch()).full.whole(), shares)


def test_coarse_probabilities_are_zero_on_padding():
    padded = batch(padding_size=(0, 8, 0, 16))
    coarse = Predictor(build_model(), coarse=True)(padded).coarse.sum(1)
    # cells whose centre lies on the padding
    assert (coarse[:, -2:] == 0).all()
    assert (coarse[:, :, -1] == 0).all()
    torch.testing.assert_close(
        coarse[:, :3, :6], torch.ones_like(coarse[:, :3, :6])
    )


@pytest.mark.parametrize(
    ('width', 'cells', 'padding', 'aligned', 'expected'),
    [
        # Cells at 0, 7.875, ..., 63: the last one six pixels off the image.
        (64, 9, (0, 7), True, 8 * [True] + [False]),
        (64, 9, (0, 1), True, 8 * [True] + [False]),
        (65, 9, (0, 8), True, 8 * [True] + [False]),
        (64, 9, (4, 0), True, [False] + 8 * [True]),
        (64, 9, (3, 0), True, [False] + 8 * [True]),
        (64, 9, (0, 0), True, 9 * [True]),
        # Cells between 3 and 4, 11 and 12, ...
        (64, 8, (0, 5), False, 7 * [True] + [False]),
        (64, 8, (0, 4), False, 8 * [True]),
        (64, 8, (5, 0), False, [False] + 7 * [True]),
        (64, 8, (4, 0), False, 8 * [True]),
    ],
)
def test_cells_lie_where_their_values_do(
    width, cells, padding, aligned, expected
):
    meta = dict(padding_size=(*padding, 0, 0))
    area = valid_area(meta, (16, width), (3, cells), aligned)
    assert area.tolist() == 3 * [expected]


def test_ensemble_takes_the_largest_probability(tmp_path):
    models, both = ensemble(tmp_path)
    parts = [up(logits_of(model, batch()).softmax(1)) for model in models]
    actual = Predictor(both, combination='max')(batch()).full.whole()
    torch.testing.assert_close(actual, torch.maximum(*parts))


def test_coarse_probabilities_of_an_ensemble_sum_to_one(tmp_path):
    _, both = ensemble(tmp_path)
    coarse = Predictor(both, combination='max', coarse=True)(batch()).coarse
    torch.testing.assert_close(coarse.sum(1), torch.ones_like(coarse[:, 0]))


def test_original_size_is_reached_in_one_step():
    model, data = build_model(), batch(ori_shape=(100, 130))
    expected = up(logits_of(model, data).softmax(1), (100, 130))
    predictor = Predictor(model, original_size=True)
    actual = predictor(batch(ori_shape=(100, 130))).full.whole()
    torch.testing.assert_close(actual, expected)


def test_padding_is_cut_off():
    model = build_model()
    whole = Predictor(model)(batch()).full.whole()
    padded = batch(padding_size=(0, 8, 0, 16))
    actual = Predictor(model)(padded).full.whole()
    torch.testing.assert_close(actual, whole[:, :, :-16, :-8])


def test_padding_is_cut_off_before_the_original_size():
    model = build_model()
    cut = Predictor(model)(batch()).full.whole()[:, :, :-16, :-8]
    padded = batch(padding_size=(0, 8, 0, 16), ori_shape=(48, 96))
    actual = Predictor(model, original_size=True)(padded).full.whole()
    torch.testing.assert_close(actual, up(cut, (48, 96)))


def test_sliding_windows_give_the_logits_of_testing():
    model = build_model()
    model.segmentor.test_cfg.update(
        mode='slide', crop_size=(32, 32), stride=(16, 16)
    )
    actual = Predictor(model, order='upsample_first')(batch(1)).full.whole()
    sample = model.test_step(batch(1))[0]
    expected = sample.seg_logits.data.softmax(0)[None]
    torch.testing.assert_close(actual, expected)


def test_sliding_windows_are_refused_for_low_resolution():
    model = build_model()
    model.segmentor.test_cfg.update(
        mode='slide', crop_size=(32, 32), stride=(16, 16)
    )
    with pytest.raises(ConfigError, match='upsample_first'):
        Predictor(model)


def test_a_plain_segmentor_of_mmseg_predicts():
    model = build_model()
    config = model_config('MinEnt')['segmentor'] | dict(
        type='mmseg.EncoderDecoder',
        data_preprocessor=model_config('MinEnt')['data_preprocessor'],
    )
    for head in ('decode_head', 'auxiliary_head'):
        config[head]['num_classes'] = CLASSES
    plain = MODELS.build(config).eval()
    plain.load_state_dict(model.segmentor.state_dict())
    torch.testing.assert_close(
        Predictor(plain)(batch()).full.whole(),
        Predictor(model)(batch()).full.whole(),
    )


def test_prediction_needs_no_memory_for_gradients():
    assert not Predictor(build_model())(batch()).full.whole().requires_grad
    assert np.isfinite(
        Predictor(build_model())(batch()).full.whole().numpy()
    ).all()
