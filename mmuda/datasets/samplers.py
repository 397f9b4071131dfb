# Copyright (c) mmuda authors.
"""Sampling from several domains at once, resumable in no time."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from mmuda.datasets.domain_dataset import DomainDataset, DomainIndex
from mmuda.registry import DATA_SAMPLERS
from mmuda.utils.errors import ConfigError

# Sets the streams of sample seeds apart from those of the permutations.
_SEED_STREAM = 2**32 - 1


@DATA_SAMPLERS.register_module()
class DomainInfiniteSampler(Sampler):
    """Endless ``DomainIndex`` with an independent stream for each domain.

    The stream of a domain is one shuffled pass over it after another, each
    shuffled anew; domains of different sizes pair up differently every time.
    All processes walk one global sequence: with W of them, rank r takes the
    positions r, r + W, ..., so two processes with batch size 1 train on the
    same batches as one with batch size 2. The draw at a position is computed
    from the position, so a resumed run starts at any of them at once. A
    domain with several samples in an item (``DomainDataset.samples``) gets
    as many consecutive places of its stream.

    Args:
        dataset: A ``DomainDataset``.
        shuffle: Whether to shuffle each pass.
        seed: Seed of the order and of the random transforms, the same for all
            processes; drawn and shared if None.

    Raises:
        ConfigError: If the data set is not a ``DomainDataset``.
    """

    def __init__(
        self,
        dataset: DomainDataset,
        shuffle: bool = True,
        seed: int | None = None,
    ) -> None:
        if not hasattr(dataset, 'sizes'):
            raise ConfigError(
                'DomainInfiniteSampler needs a DomainDataset, got '
                f'{type(dataset).__name__}; set train_dataloader.dataset.type'
            )
        self.rank, self.world_size = get_dist_info()
        self.sizes = tuple(dataset.sizes)
        ones = (1,) * len(self.sizes)
        self.samples = tuple(getattr(dataset, 'samples', ones))
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self._skipped = 0
        # Pass and order of the last draw of each domain.
        self._orders: dict[int, tuple[int, np.ndarray]] = {}

    def __iter__(self) -> Iterator[DomainIndex]:
        """Yield indices without end, after those that were skipped."""
        position = self.rank + self._skipped * self.world_size
        while True:
            yield self.index_at(position)
            position += self.world_size

    def __len__(self) -> int:
        """Items until every domain was passed through once."""
        pairs = zip(self.sizes, self.samples, strict=True)
        return max(math.ceil(size / number) for size, number in pairs)

    def skip(self, num_samples: int) -> None:
        """Start after ``num_samples`` samples of this process.

        This is the contract of ``InfiniteSampler.skip`` of onedl-mmengine:
        counted from the very start, called before iterating.

        Raises:
            ValueError: If the number is negative.
        """
        if num_samples < 0:
            raise ValueError(f'cannot skip {num_samples} samples')
        self._skipped = num_samples

    def set_epoch(self, epoch: int) -> None:
        """Do nothing: the sequence has no epochs."""

    def index_at(self, position: int) -> DomainIndex:
        """Return the draw at a position of the global sequence."""
        indices = tuple(
            self._draw(domain, position)
            if number == 1
            else tuple(
                self._draw(domain, position * number + place)
                for place in range(number)
            )
            for domain, number in enumerate(self.samples)
        )
        return DomainIndex(indices, self._derive(_SEED_STREAM, position))

    def _draw(self, domain: int, place: int) -> int:
        """Return the index of a domain's sample at a place of its stream."""
        size = self.sizes[domain]
        epoch, offset = divmod(place, size)
        if not self.shuffle:
            return offset
        if domain not in self._orders or self._orders[domain][0] != epoch:
            generator = torch.Generator()
            generator.manual_seed(self._derive(domain, epoch))
            order = torch.randperm(size, generator=generator).numpy()
            self._orders[domain] = (epoch, order)
        return int(self._orders[domain][1][offset])

    def _derive(self, stream: int, count: int) -> int:
        """Return a seed that has nothing in common with its neighbours'.

        Sums such as ``seed + domain + epoch`` would give two domains the same
        orders one pass apart.
        """
        sequence = np.random.SeedSequence((self.seed, stream, count))
        return int(sequence.generate_state(1)[0])
