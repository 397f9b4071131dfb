import torch

from mmuda.convert.from_coast import (
    ensemble_from_published,
    ensemble_to_published,
)


def test_ensemble_inputs_are_permuted_level_by_level():
    # Two targets, levels of one and two channels: a0 b0 b0' | a1 b1 b1'.
    weight = torch.arange(6.0).view(1, 6, 1, 1)
    own = ensemble_from_published(weight, (1, 2), 2)
    assert own.flatten().tolist() == [0, 3, 1, 2, 4, 5]


def test_permuted_ensemble_sees_what_the_published_one_sees():
    levels = (64, 128, 320, 512)
    weight = torch.randn(4, 3 * sum(levels), 3, 3)
    views = [[torch.randn(1, c, 5, 5) for c in levels] for _ in range(3)]
    theirs = torch.cat([torch.cat(view, dim=1) for view in views], dim=1)
    ours = torch.cat(
        [torch.cat(level, dim=1) for level in zip(*views, strict=True)], dim=1
    )
    own = ensemble_from_published(weight, levels, 3)
    torch.testing.assert_close(
        torch.conv2d(ours, own),
        torch.conv2d(theirs, weight),
        rtol=1e-3,
        atol=1e-3,
    )


def test_permutation_of_the_ensemble_is_undone():
    weight = torch.randn(2, 30, 1, 1)
    own = ensemble_from_published(weight, (2, 3, 5), 3)
    assert torch.equal(ensemble_to_published(own, (2, 3, 5), 3), weight)


def test_permutation_of_a_single_level_changes_nothing():
    weight = torch.randn(2, 12, 1, 1)
    assert torch.equal(ensemble_from_published(weight, (4,), 3), weight)
