"""Domains with unlike numbers of images in a batch, by ``samples``."""

import copy

import pytest
import torch
from collaborative_models import METHODS, build
from several_targets import optimizers, softly_labelled

from mmuda.models.batch import DomainBatch
from mmuda.models.uda.collaborative_self_training import in_colors_of

BATCHES = [dict(source=3, rome=2, oslo=1), dict(source=1, rome=2, oslo=3)]


def cut(data, counts):
    """The first images of each domain."""
    return {
        key: {name: items[: counts[name]] for name, items in values.items()}
        for key, values in data.items()
    }


@pytest.mark.parametrize('counts', BATCHES)
@pytest.mark.parametrize('method', METHODS)
def test_every_method_learns_and_is_saved(method, counts):
    """Twice, as styles are known from the second iteration on."""
    model, data = build(method), softly_labelled(2, 3)
    for _ in range(2):
        logs = model.train_step(
            cut(copy.deepcopy(data), counts), optimizers(model)
        )
        assert all(value.isfinite() for value in logs.values())
    copied = build(method)
    copied.load_state_dict(model.state_dict())


@pytest.mark.parametrize('count', [1, 2, 5])
def test_colours_of_fewer_images_begin_anew(count):
    preprocessor = build('MLCL').data_preprocessor
    generator = torch.Generator().manual_seed(0)
    images, references = (
        torch.randn(n, 3, 8, 12, generator=generator) for n in (3, count)
    )
    found = in_colors_of(preprocessor, images, DomainBatch(references))
    for number, image in enumerate(images):
        place = number % count
        style = DomainBatch(references[place : place + 1])
        expected = in_colors_of(preprocessor, image[None], style)
        torch.testing.assert_close(found[number], expected[0])
