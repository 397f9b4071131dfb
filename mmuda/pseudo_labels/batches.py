# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Sharing images among processes, the same way for any number of them."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from mmengine.dist import get_rank, get_world_size
from torch.utils.data import Dataset

from mmuda.datasets.pseudo_label_checks import unique_keys


def dataset_keys(dataset: Dataset) -> list[str]:
    """Keys of all images of a data set.

    Args:
        dataset: A ``DomainSegDataset``, or a concatenation of several.

    Raises:
        DataError: Two images have the same key.
    """
    return unique_keys(getattr(dataset, 'datasets', [dataset]))


def own_batches(count: int, batch_size: int) -> list[list[int]]:
    """Batches of consecutive images that this process labels.

    Which images share a batch does not depend on the number of processes:
    on some devices it changes the last bits of a prediction.

    Args:
        count: Number of images.
        batch_size: Images of a batch; the last one may have fewer.
    """
    starts = range(0, count, batch_size)[get_rank() :: get_world_size()]
    return [
        list(range(start, min(start + batch_size, count))) for start in starts
    ]


def groups_of_one_size(
    keys: Sequence[str], data: dict
) -> Iterator[tuple[list[str], dict]]:
    """Cut a batch into runs of images of equal sizes.

    Args:
        keys: Keys of the images.
        data: ``inputs``, a list of (3, H, W), and their ``data_samples``.

    Yields:
        Keys and data of neighbouring images whose size, on disk too, is one.
    """
    items = list(zip(keys, data['inputs'], data['data_samples'], strict=True))

    def sizes(item: tuple) -> tuple:
        return tuple(item[1].shape), tuple(item[2].ori_shape)

    for _, group in groupby(items, key=sizes):
        names, inputs, samples = zip(*group, strict=True)
        yield (
            list(names),
            dict(inputs=list(inputs), data_samples=list(samples)),
        )
