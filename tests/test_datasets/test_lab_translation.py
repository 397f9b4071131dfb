import numpy as np
import pytest
from toy_colors import random_image, write_images

from mmuda.color.lab_uint8 import in_style
from mmuda.registry import TRANSFORMS
from mmuda.translation.lab_images import find_images
from mmuda.translation.lab_jobs import measure_styles
from mmuda.utils.errors import ConfigError, DataError


@pytest.fixture
def path(tmp_path):
    """Statistics of four target images."""
    folder = write_images(tmp_path / 'target', 4)
    path = tmp_path / 'styles.json'
    measure_styles(find_images(folder, 'TARGET'), path, progress=False)
    return path


def build(path, **kwargs):
    config = dict(type='LabTranslation', statistics=str(path), **kwargs)
    return TRANSFORMS.build(config)


def draws(transform, count):
    """Translate an image some times; index of the style, or None."""
    image = random_image(9)
    looks = [in_style(image, style) for style in transform.styles]
    for _ in range(count):
        result = transform(dict(img=image))['img']
        found = [n for n, x in enumerate(looks) if (x == result).all()]
        yield found[0] if found else None


def test_image_gets_one_of_the_styles(path):
    np.random.seed(0)
    assert set(draws(build(path), 50)) == {0, 1, 2, 3}


def test_draws_follow_the_seed_of_the_item(path):
    transform = build(path, prob=0.5)
    np.random.seed(7)
    first = list(draws(transform, 20))
    np.random.seed(7)
    assert list(draws(transform, 20)) == first


def test_probability(path):
    np.random.seed(0)
    kept = list(draws(build(path, prob=0.25), 400)).count(None)
    # Five standard deviations of a binomial distribution.
    assert abs(kept - 300) < 44


def test_probability_of_zero_changes_nothing(path):
    assert set(draws(build(path, prob=0), 20)) == {None}


@pytest.mark.parametrize('prob', [-0.1, 1.1, '1', True, None])
def test_wrong_probability_is_named(path, prob):
    with pytest.raises(ConfigError, match='prob=.*: must be a number'):
        build(path, prob=prob)


def test_missing_statistics_are_named(tmp_path):
    with pytest.raises(DataError, match=r'none\.json'):
        build(tmp_path / 'none.json')


def test_foreign_statistics_are_named(tmp_path):
    (tmp_path / 'other.json').write_text('{"classes": []}')
    with pytest.raises(DataError, match=r'other\.json.* holds no Lab'):
        build(tmp_path / 'other.json')


@pytest.mark.parametrize(
    'image',
    [random_image(0).astype(np.float32), random_image(0)[..., 0]],
)
def test_image_of_another_kind_is_refused(path, image):
    with pytest.raises(ConfigError, match='put it after LoadImage'):
        build(path)(dict(img=image))


def test_it_shows_its_options(path):
    text = repr(build(path, prob=0.5))
    assert text == f"LabTranslation(statistics='{path}', prob=0.5)"
