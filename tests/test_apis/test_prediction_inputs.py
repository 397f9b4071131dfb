"""Images that are not as those of the training: converted, told, refused."""

import io
import re
import warnings

import cv2
import mmcv
import numpy as np
import predicting_network
import pytest
import torch
from PIL import Image

from mmuda.apis import InputWarning, Segmenter
from mmuda.apis.prediction_inputs import (
    Item,
    as_bgr,
    images_in,
    item_of,
    items_of,
    require_image,
)
from mmuda.apis.prediction_pipeline import (
    PredictionPipeline,
    pipeline_of,
    training_size,
)
from mmuda.utils.config import load_config
from mmuda.utils.errors import ConfigError, DataError

IMAGE = np.random.default_rng(5).integers(0, 256, (6, 8, 3), np.uint8)


def converted(image, order='bgr'):
    values, notes = as_bgr(image, order, 'x')
    return values, [note.kind for note in notes]


def test_an_image_of_8_bits_is_left_as_it_is():
    values, kinds = converted(IMAGE)
    assert np.array_equal(values, IMAGE)
    assert kinds == []
    values, kinds = converted(IMAGE, 'rgb')
    assert np.array_equal(values, IMAGE[..., ::-1])
    assert kinds == []


@pytest.mark.parametrize('grey', [IMAGE[..., 0], IMAGE[..., :1]])
def test_grey_becomes_three_colours(grey):
    values, kinds = converted(grey)
    assert kinds == ['grey']
    assert values.shape == (6, 8, 3)
    assert (values == IMAGE[..., :1]).all()


def test_alpha_is_dropped():
    alpha = np.concatenate([IMAGE, IMAGE[..., :1]], axis=2)
    values, kinds = converted(alpha, 'rgb')
    assert kinds == ['alpha']
    assert np.array_equal(values, IMAGE[..., ::-1])


@pytest.mark.parametrize('order', '<>')
def test_the_upper_bits_of_16_are_taken(order):
    deep = (IMAGE.astype(np.uint16) * 256 + 7).astype(f'{order}u2')
    values, kinds = converted(deep)
    assert kinds == ['depth']
    assert np.array_equal(values, IMAGE)
    # A dark image is not scaled otherwise than a bright one.
    values, kinds = converted((deep % 256).astype(deep.dtype))
    assert kinds == ['depth']
    assert not values.any()


@pytest.mark.parametrize('kind', [np.float32, np.int64, np.uint32])
def test_other_types_that_hold_pixels(kind):
    values, kinds = converted(IMAGE.astype(kind))
    assert kinds == []
    assert values.dtype == np.uint8
    assert np.array_equal(values, IMAGE)


@pytest.mark.parametrize(
    ('image', 'match'),
    [
        (IMAGE / 255, r'from 0 to 1, .* pass \(image \* 255\)'),
        (IMAGE - 128.0, 'normalised already'),
        (IMAGE.astype(np.int32) * 9, 'pixels go from 0 to 255'),
        (np.full((6, 8, 3), np.nan), 'not finite'),
        (IMAGE.transpose(2, 0, 1), r'transpose\(1, 2, 0\)'),
        (IMAGE[None], r'list\(images\)'),
        (IMAGE[..., :2], r'pass \(H, W, 3\)'),
        (IMAGE[:0], 'no image'),
        (IMAGE > 9, 'bool, which are no pixels'),
        (np.full((2, 2, 3), 'a'), 'no pixels'),
    ],
)
def test_what_is_no_image_is_refused_in_words(image, match):
    with pytest.raises(DataError, match=match):
        as_bgr(image, 'bgr', 'an array')


def test_images_of_pillow():
    assert np.array_equal(
        item_of(Image.fromarray(IMAGE)).image, IMAGE[..., ::-1]
    )
    alpha = Image.fromarray(IMAGE).convert('RGBA')
    assert np.array_equal(item_of(alpha).image[..., :3], IMAGE[..., ::-1])
    assert item_of(Image.fromarray(IMAGE).convert('L')).image.ndim == 2


def test_deep_images_of_pillow_are_as_their_arrays():
    grey = IMAGE[..., 0].astype(np.int32)
    for mode, deep in (('I', grey * 256), ('I', grey), ('F', grey)):
        kind = np.float32 if mode == 'F' else np.int32
        item = item_of(Image.fromarray(deep.astype(kind)))
        values, kinds = converted(item.image)
        if mode == 'F':
            assert kinds == ['grey']
            assert (values[..., 0] == grey).all()
        else:
            assert kinds == ['depth', 'grey']
            assert (values[..., 0] == deep >> 8).all()
    for image, match in (
        (grey * 4096, 'pixels go from'),
        (grey - 9, 'from -'),
        ((grey / 255).astype(np.float32), 'floating point from'),
    ):
        with pytest.raises(DataError, match=match):
            converted(item_of(Image.fromarray(image)).image)


def test_grey_with_alpha_of_pillow_is_told_as_both(small):
    own = Segmenter(small['config'], small['checkpoint'], 'cpu')
    (path, *_) = predicting_network.images_below(small['images'])
    image = Image.open(path).resize((256, 128)).convert('LA')
    with pytest.warns(InputWarning) as told:
        result = own.predict(image)
    texts = [str(w.message) for w in told if w.category is InputWarning]
    assert ['is grey' in text for text in texts] == [True, False]
    assert 'alpha' in texts[1]
    assert (result.image == result.image[..., :1]).all()


@pytest.mark.parametrize('given', [3.5, None, dict(a=1)])
def test_other_things_are_no_images(given):
    with pytest.raises(DataError, match='is no image'):
        item_of(given)


def test_folders_are_searched_and_results_left_out(tmp_path):
    for name in ('b.PNG', 'a/c.jpg', 'out/labels/b.png', 'notes.txt'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b'')
    found = images_in(tmp_path, [tmp_path / 'out/labels'])
    assert found == ['a/c.jpg', 'b.PNG']


def write_empty(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b'')


@pytest.mark.parametrize('out', ['', 'earlier/'])
def test_results_of_earlier_runs_are_no_images(tmp_path, out):
    results = ('labels/b.png', 'overlay/a/c.png', 'predictions.json')
    write_empty(tmp_path, 'b.png', 'a/c.jpg', *(out + r for r in results))
    assert images_in(tmp_path) == ['a/c.jpg', 'b.png']


def test_folders_with_the_names_of_results_are_searched(tmp_path):
    write_empty(tmp_path, 'labels/b.png', 'a/predictions.json')
    assert images_in(tmp_path) == ['labels/b.png']


def test_a_folder_of_videos_says_how_they_are_predicted(tmp_path):
    write_empty(tmp_path, 'b.MP4', 'a.txt')
    video = re.escape(repr(str(tmp_path / 'b.MP4')))
    with pytest.raises(DataError, match=f'; name the video, {video}$'):
        images_in(tmp_path)


@pytest.mark.parametrize('name', ['drive.ts', 'list.txt', 'none'])
def test_what_is_no_image_is_told_before_it_is_predicted(tmp_path, name):
    (tmp_path / name).write_text('a.png')
    told = f'{name}. is no image; let a video end in one of .avi, '
    with pytest.raises(DataError, match=told):
        items_of(str(tmp_path / name))


def test_images_need_no_ending(tmp_path):
    Image.new('RGB', (4, 3)).save(tmp_path / 'image', 'PNG')
    (item,) = items_of(tmp_path / 'image')
    assert item.path == str(tmp_path / 'image')


@pytest.mark.parametrize('name', ['folder', 'drive.avi'])
def test_what_holds_several_images_stands_alone(tmp_path, name):
    (tmp_path / 'folder').mkdir()
    told = f'{name}. holds several images; pass it alone, not in a list'
    with pytest.raises(DataError, match=told):
        require_image(str(tmp_path / name))


@pytest.mark.parametrize(
    'given',
    [torch.zeros(2, 3, 4, 4), b'image', io.BytesIO(), {'a.png': 1}],
    ids=['tensor', 'bytes', 'file', 'dict'],
)
def test_parts_of_some_things_are_no_images(given):
    kind = type(given).__name__
    with pytest.raises(DataError, match=f'^a {kind} is no image; pass an arr'):
        items_of(given)


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    return predicting_network.write(tmp_path_factory.mktemp('small'))


def test_each_kind_is_told_once(small, tmp_path):
    own = Segmenter(small['config'], small['checkpoint'], 'cpu')
    (path, *_) = predicting_network.images_below(small['images'])
    image = mmcv.imresize(mmcv.imread(path), (256, 128))
    kinds = dict(
        plain=image,
        grey=image[..., 0],
        alpha=cv2.cvtColor(image, cv2.COLOR_BGR2BGRA),
        depth=image.astype(np.uint16) * 256,
        size=mmcv.imresize(image, (120, 128)),
    )
    files = []
    for name, values in kinds.items():
        for number in range(2):
            files.append(str(tmp_path / f'{name}{number}.png'))
            mmcv.imwrite(values, files[-1])
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter('always')
        results = list(own.predict(files))
    told = [w for w in found if w.category is InputWarning]
    assert [str(w.message).split("'")[1] for w in told] == files[2::2]
    # As if it had been read as training does.
    assert np.array_equal(results[0].label_map, results[4].label_map)
    assert np.array_equal(results[0].label_map, results[6].label_map)


def test_the_size_of_the_training(small):
    cfg = load_config(small['config'])
    assert training_size(cfg) == (256, 128)
    cfg.pop('train_dataloader')
    assert training_size(cfg) == (256, 128)
    cfg.test_pipeline = []
    assert training_size(cfg) is None


@pytest.mark.parametrize(
    ('size', 'words'),
    [
        ((256, 512), None),
        ((100, 768), '3.0 times larger'),
        ((4, 8), '32.0 times smaller'),
    ],
)
def test_how_far_an_image_is_from_the_size_of_training(small, size, words):
    steps = pipeline_of(load_config(small['config']))
    shown = PredictionPipeline(steps, (256, 128))(
        Item(np.zeros((*size, 3), np.uint8), None)
    )
    told = [note.text for note in shown.notes if note.kind == 'size']
    assert len(told) == (words is not None)
    assert all(f'{words} than 256x128, at which' in text for text in told)


def test_a_pipeline_must_read_and_pack(small):
    cfg = load_config(small['config'])
    steps = pipeline_of(cfg)
    kinds = [step['type'] for step in steps]
    assert kinds == ['LoadImage', 'Resize', 'PackSegInputs']
    cfg.test_dataloader.dataset.pipeline.pop()
    with pytest.raises(ConfigError, match='end in PackSegInputs'):
        pipeline_of(cfg)
    for key in ('test_dataloader', 'val_dataloader', 'test_pipeline'):
        cfg.pop(key)
    with pytest.raises(ConfigError, match='how images are shown'):
        pipeline_of(cfg)
