"""ClassMix on labels made by hand."""

import pytest
import torch

from mmuda.models.mixing import class_mix, pasted_classes
from mmuda.utils.errors import ConfigError


def label(*rows):
    return torch.tensor(rows)


def drawn(present, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return pasted_classes(torch.tensor([present]), generator).tolist()


@pytest.mark.parametrize(
    ('present', 'count'),
    [([3], 1), ([0, 5], 1), ([0, 5, 7], 2), ([0, 1, 2, 3, 255], 2)],
)
def test_half_of_the_classes_is_drawn(present, count):
    chosen = drawn(present)
    assert len(chosen) == count
    assert set(chosen) <= set(present) - {255}


def test_every_class_is_drawn_equally_often():
    counts = torch.zeros(4)
    for seed in range(400):
        counts[drawn([0, 1, 2, 3], seed)] += 1
    # 200 expected of a hypergeometric draw, standard deviation 10
    assert (counts - 200).abs().max() < 35


def test_global_seed_decides_by_default():
    many = torch.arange(19)[None]
    draws = []
    for _ in range(2):
        torch.manual_seed(4)
        draws.append(pasted_classes(many).tolist())
    assert draws[0] == draws[1]
    assert draws[0] != pasted_classes(many).tolist()


@pytest.mark.parametrize(
    ('present', 'expected'),
    [
        ([0, 1, 2, 3, 4], [1, 3]),  # lowest two thresholds
        ([0, 2, 4], [4]),  # rounded down
        ([2], [2]),  # but at least one
        ([2, 255], [2]),
        ([255], []),
    ],
)
def test_classes_on_demand_are_the_hardest(present, expected):
    difficulty = torch.tensor([0.9, 0.5, 0.8, 0.6, 0.7])
    classes = pasted_classes(torch.tensor([present]), difficulty=difficulty)
    assert classes.tolist() == expected


def test_ties_go_to_the_lower_class():
    thresholds = torch.full((5,), 0.5)
    classes = pasted_classes(label([4, 3, 2, 1]), difficulty=thresholds)
    assert classes.tolist() == [1, 2]


def test_nothing_labelled_draws_nothing():
    assert pasted_classes(label([255, 255])).tolist() == []


def mixed(classes):
    return class_mix(
        torch.full((3, 2, 2), 9.0),
        label([1, 2], [255, 1]),
        torch.zeros(3, 2, 2),
        label([4, 255], [4, 4]),
        torch.tensor(classes, dtype=torch.long),
    )


@pytest.mark.parametrize(
    ('classes', 'image', 'expected'),
    [
        ([1], [[9, 0], [0, 9]], [[1, 255], [4, 1]]),
        # a rejected pixel gets the source's label
        ([2], [[0, 9], [0, 0]], [[4, 2], [4, 4]]),
        ([], [[0, 0], [0, 0]], [[4, 255], [4, 4]]),
    ],
)
def test_pixels_of_classes_are_pasted(classes, image, expected):
    pixels, labels = mixed(classes)
    assert pixels.tolist() == [image] * 3
    assert labels.tolist() == expected


def test_inputs_stay_as_they_are():
    target = torch.zeros(3, 1, 1)
    class_mix(torch.ones(3, 1, 1), label([1]), target, label([2]), label(1))
    assert target.sum() == 0


def test_labels_with_a_channel_are_mixed_alike():
    image, labels = class_mix(
        torch.ones(3, 1, 2),
        label([[1, 2]]),
        torch.zeros(3, 1, 2),
        label([[5, 5]]),
        torch.tensor([2]),
    )
    assert image[0].tolist() == [[0, 1]]
    assert labels.tolist() == [[[5, 2]]]


def test_types_are_those_of_the_target():
    image, labels = class_mix(
        torch.ones(3, 1, 1),
        label([1]),
        torch.zeros(3, 1, 1, dtype=torch.float16),
        label([2]).byte(),
        torch.tensor([1]),
    )
    assert (image.dtype, labels.dtype) == (torch.float16, torch.uint8)


def test_other_sizes_are_refused():
    with pytest.raises(ConfigError, match=r'not 6x4, 5x4: .*one crop_size'):
        class_mix(
            torch.zeros(3, 4, 6),
            torch.zeros(4, 6),
            torch.zeros(3, 4, 5),
            torch.zeros(4, 5),
            torch.tensor([0]),
        )
