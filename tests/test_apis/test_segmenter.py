"""What a Segmenter predicts, of whatever it is given."""

import itertools
import warnings
from concurrent.futures import ThreadPoolExecutor, wait

import mmcv
import numpy as np
import predicting_network
import pytest
import torch
from mmengine.registry import DefaultScope
from PIL import Image
from tools_in_process import load_tool, run_loaded

from mmuda.apis import InputWarning, Segmentation, Segmenter
from mmuda.registry import MODELS
from mmuda.utils.config import load_config
from mmuda.utils.errors import CheckpointError, ConfigError, DataError

ALL = ('labels', 'entropy', 'probabilities')


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp('small')
    return predicting_network.write(folder)


@pytest.fixture(autouse=True)
def quiet():
    """The images are smaller than those of the demo's config."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', InputWarning)
        yield


def segmenter_of(small, **options):
    return Segmenter(small['config'], small['checkpoint'], 'cpu', **options)


@pytest.fixture(scope='module')
def segmenter(small):
    return segmenter_of(small)


@pytest.fixture(scope='module')
def paths(small):
    return predicting_network.images_below(small['images'])


def test_labels_are_those_of_the_test_tool(
    small, segmenter, tmp_path, monkeypatch, capsys
):
    words = [small['config'], small['checkpoint'], '--out', tmp_path / 'out']
    words += ['--work-dir', tmp_path / 'run']
    test = load_tool('test.py')
    code, printed = run_loaded(test, words, monkeypatch, capsys)
    assert code == 0, printed
    written = predicting_network.images_below(tmp_path / 'out')
    results = list(segmenter.predict(small['images']))
    assert len(written) == len(results) == 2
    for file, result in zip(written, results, strict=True):
        label = np.asarray(Image.open(file))
        assert result.label_map.dtype == np.uint8
        assert np.array_equal(result.label_map, label)
        assert len(np.unique(label)) > 5


def test_probabilities_and_entropy(segmenter, paths):
    result = segmenter.predict(paths[0], outputs=ALL)
    p = result.probabilities.astype(np.float64)
    assert p.shape == (19, 48, 96)
    assert abs(p.sum(axis=0) - 1).max() < 1e-5
    assert np.array_equal(p.argmax(axis=0), result.label_map)
    entropy = -(p * np.log(p)).sum(axis=0) / np.log(19)
    assert abs(entropy - result.entropy).max() < 1e-5
    assert result.entropy.std() > 0.01


def test_nothing_is_computed_that_was_not_asked_for(segmenter, paths):
    result = segmenter.predict(paths[0])
    assert result.entropy is None
    assert result.probabilities is None
    # Logits at the size of the image are not made.
    assert segmenter.model.predictor.outputs == frozenset()


def test_arrays_are_as_files(segmenter, paths):
    label = segmenter.predict(paths[0]).label_map
    bgr = mmcv.imread(paths[0])
    rgb = np.ascontiguousarray(bgr[..., ::-1])
    assert np.array_equal(segmenter.predict(bgr).label_map, label)
    same = segmenter.predict(rgb, channel_order='rgb')
    assert np.array_equal(same.label_map, label)
    assert np.array_equal(same.image, rgb)
    assert same.path is None
    assert not np.array_equal(segmenter.predict(rgb).label_map, label)
    for order in ('bgr', 'rgb'):
        opened = segmenter.predict(Image.open(paths[0]), channel_order=order)
        assert np.array_equal(opened.label_map, label)


def test_maps_have_the_size_of_the_image(segmenter):
    image = np.random.default_rng(0).integers(0, 256, (61, 37, 3), np.uint8)
    result = segmenter.predict(image, outputs=ALL)
    assert result.label_map.shape == result.entropy.shape == (61, 37)
    assert result.probabilities.shape == (19, 61, 37)


def test_a_generator_is_asked_for_as_it_is_needed(segmenter, paths):
    asked = []

    def images():
        for number in itertools.count():
            asked.append(number)
            yield paths[number % 2]

    results = segmenter.predict(images(), workers=2, batch_size=2)
    assert asked == []
    first = next(results)
    assert len(asked) <= 6
    for _ in range(20):
        next(results)
    assert len(asked) <= 26
    results.close()
    assert first.path == paths[0]


def test_threads_may_share_one(segmenter, paths):
    image, several = paths[0], []
    with ThreadPoolExecutor(1) as other:

        def ask(*_):
            # In the middle of the first prediction; it must not wait for it.
            if not several:
                several.append(
                    other.submit(segmenter.predict, image, outputs=['labels'])
                )
                wait(several, timeout=0.5)

        hook = segmenter.model.register_forward_pre_hook(ask)
        try:
            result = segmenter.predict(image, outputs=ALL)
        finally:
            hook.remove()
    assert result.probabilities.shape[0] == 19
    assert several[0].result().probabilities is None


def test_batches_are_of_one_size_and_in_order(small):
    cfg = load_config(small['config'])
    steps = cfg.test_dataloader.dataset.pipeline
    cfg.test_dataloader.dataset.pipeline = [
        step for step in steps if step['type'] != 'Resize'
    ]
    own = Segmenter(cfg, small['checkpoint'], 'cpu')
    sizes = [(33, 49), (33, 49), (41, 33), (33, 49), (33, 49), (33, 49)]
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
    together = list(own.predict(images, batch_size=2, outputs=ALL))
    assert [r.label_map.shape for r in together] == sizes
    for image, result in zip(images, together, strict=True):
        alone = own.predict(image, outputs=ALL)
        assert np.array_equal(result.image[..., ::-1], image)
        assert abs(alone.probabilities - result.probabilities).max() < 1e-4


def test_an_unreadable_image_is_told_and_left_out(segmenter, paths, tmp_path):
    bad = tmp_path / 'bad.png'
    bad.write_bytes(b'nothing')
    missing = str(tmp_path / 'missing.png')
    faults = []
    results = segmenter.predict(
        [paths[0], bad, missing, paths[1]],
        on_error=lambda item, error: faults.append((item.path, str(error))),
    )
    assert [result.path for result in results] == paths
    assert [path for path, _ in faults] == [str(bad), missing]
    assert all(path in error for path, error in faults)
    with pytest.raises(DataError, match='bad.png'):
        list(segmenter.predict([paths[0], bad]))


@pytest.mark.parametrize('name', ['nothing', 'nothing.mp4', 'nothing.png'])
def test_what_is_not_there_is_told_at_once(segmenter, tmp_path, name):
    with pytest.raises(DataError, match='no such'):
        segmenter.predict(str(tmp_path / name))


def test_a_folder_without_images(segmenter, tmp_path):
    with pytest.raises(DataError, match='has no images'):
        segmenter.predict(tmp_path)


def test_the_config_of_the_checkpoint(small, segmenter, paths):
    alone = Segmenter(checkpoint=small['checkpoint'], device='cpu')
    expected = segmenter.predict(paths[0], outputs=ALL)
    result = alone.predict(paths[0], outputs=ALL)
    assert np.array_equal(result.probabilities, expected.probabilities)
    assert alone.classes == segmenter.classes
    assert alone.palette == segmenter.palette


def test_an_ensemble_is_the_weighted_sum_of_logits(small, tmp_path, paths):
    cfg = load_config(small['config'])
    torch.manual_seed(9)
    with DefaultScope.overwrite_default_scope('mmuda'):
        other = MODELS.build(cfg.model)
    about = dict(classes=('x',) * 19, palette=[[0, 0, 0]] * 19)
    about |= torch.load(small['checkpoint'])['meta']['dataset_meta']
    predicting_network.save(other, tmp_path / 'b.pth', cfg, about)
    files = [small['checkpoint'], tmp_path / 'b.pth']
    logs = [
        np.log(
            Segmenter(small['config'], file, 'cpu')
            .predict(paths[0], outputs=ALL)
            .probabilities
        )
        for file in files
    ]
    both = Segmenter(small['config'], files, 'cpu', weights=[0.7, 0.3])
    found = both.predict(paths[0], outputs=ALL).probabilities
    total = np.exp(0.7 * logs[0] + 0.3 * logs[1])
    assert abs(total / total.sum(axis=0) - found).max() < 1e-4


def test_test_time_augmentation_is_the_mean_with_the_mirror_image(
    small, segmenter, paths
):
    image = mmcv.imread(paths[0])
    mirror = np.ascontiguousarray(image[:, ::-1])
    one, two = (
        segmenter.predict(i, outputs=ALL).probabilities
        for i in (image, mirror)
    )
    result = segmenter_of(small, tta=True).predict(image, outputs=ALL)
    expected = (one + two[..., ::-1]) / 2
    assert abs(result.probabilities - expected).max() < 1e-4
    entropy = -(expected * np.log(expected)).sum(axis=0) / np.log(19)
    assert abs(result.entropy - entropy).max() < 1e-4


def test_sliding_windows(small, segmenter, paths):
    """One window that covers all is the whole image."""
    slide = {
        'model.segmentor.test_cfg.mode': 'slide',
        'model.segmentor.test_cfg.crop_size': (128, 256),
        'model.segmentor.test_cfg.stride': (64, 128),
    }
    own = segmenter_of(small, options=slide)
    expected = segmenter.predict(paths[0], outputs=ALL)
    result = own.predict(paths[0], outputs=ALL)
    assert abs(result.probabilities - expected.probabilities).max() < 1e-5


def test_what_the_pipeline_cuts_off_is_unknown(small, paths):
    cfg = load_config(small['config'])
    crop = dict(type='CropFraction', bottom=0.25)
    cfg.test_dataloader.dataset.pipeline.insert(1, crop)
    own = Segmenter(cfg, small['checkpoint'], 'cpu')
    result = own.predict(paths[0], outputs=ALL)
    assert result.label_map.shape == (48, 96)
    assert (result.label_map[36:] == 255).all()
    assert (result.label_map[:36] < 19).all()
    assert np.isnan(result.entropy[36:]).all()
    assert np.isfinite(result.entropy[:36]).all()
    assert (result.probabilities[:, 36:] == 0).all()
    shown = result.overlay(with_legend=False)
    assert np.array_equal(shown[36:], result.image[36:])


def test_the_network_that_the_config_names_predicts(tmp_path):
    teacher = {'model.teacher': True, 'model.predict_on': 'teacher'}
    small = predicting_network.write(tmp_path, **teacher)
    paths = predicting_network.images_below(small['images'])
    results = [
        segmenter_of(small, options=options).predict(paths[0], outputs=ALL)
        for options in ({}, {'model.predict_on': 'segmentor'})
    ]
    same = Segmenter(small['config'], small['checkpoint'], 'cpu')
    state = torch.load(small['checkpoint'])['state_dict']
    for name, tensor in same.model.teacher.state_dict().items():
        assert torch.equal(tensor, state[f'teacher.{name}'])
    difference = results[0].probabilities - results[1].probabilities
    assert abs(difference).max() > 1e-3


def test_an_image_may_be_saved_drawn_and_shown(segmenter, paths, tmp_path):
    result = segmenter.predict(paths[0], outputs=('entropy',))
    assert isinstance(result, Segmentation)
    result.save(tmp_path / 'a/b.png')
    picture = Image.open(tmp_path / 'a/b.png')
    assert picture.mode == 'P'
    assert np.array_equal(np.asarray(picture), result.label_map)
    first = result.label_map[0, 0]
    colour = np.asarray(picture.convert('RGB'))[0, 0]
    assert tuple(colour) == segmenter.palette[first]
    mixed = result.overlay(opacity=0.5, with_legend=False)[0, 0]
    expected = (result.image[0, 0] + colour.astype(float)) / 2
    assert abs(mixed - expected).max() <= 0.5
    assert result.overlay().shape[0] > 48
    assert len(result.show().axes) == 3
    with pytest.raises(ConfigError, match='name it .png'):
        result.save(tmp_path / 'b.jpg')
    with pytest.raises(ConfigError, match='entropy was not asked for'):
        segmenter.predict(paths[0]).entropy_picture()


def test_one_output_is_asked_for_by_its_name(segmenter, paths):
    assert segmenter.predict(paths[0], outputs='entropy').entropy.size


@pytest.mark.parametrize(
    ('options', 'match'),
    [
        (dict(batch_size=0), 'batch_size'),
        (dict(outputs=('logits',)), 'outputs'),
        (dict(channel_order='gbr'), 'channel_order'),
        (dict(workers=0), 'workers'),
    ],
)
def test_wrong_arguments_are_told_at_once(segmenter, paths, options, match):
    with pytest.raises(ConfigError, match=match):
        segmenter.predict(paths, **options)


@pytest.mark.parametrize(
    ('head', 'match'), [('own', 'name the target'), ('rome', 'one main head')]
)
def test_heads_that_do_not_predict(small, head, match):
    with pytest.raises(ConfigError, match=match):
        segmenter_of(small, head=head)
    assert segmenter_of(small, head='agnostic').classes


def test_a_network_needs_weights(small, tmp_path):
    for given in ((), None):
        with pytest.raises(ConfigError, match='checkpoint=FILE'):
            Segmenter(small['config'], given)
    with pytest.raises(CheckpointError, match='no such checkpoint'):
        Segmenter(small['config'], tmp_path / 'none.pth')
