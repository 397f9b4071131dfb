# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""How many samples of each domain an item holds, and batches of items."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mmengine.registry import FUNCTIONS

from mmuda.utils.config_keys import did_you_mean
from mmuda.utils.errors import ConfigError


@FUNCTIONS.register_module()
def domain_collate(
    data_batch: Sequence[Mapping[str, Mapping[str, Any]]],
) -> dict[str, dict[str, list]]:
    """Put the samples of some items into one list for each domain.

    The same as mmengine's ``pseudo_collate`` if items hold one sample of each
    domain. ``UDATrainLoop`` chooses it by itself; with another loop set
    ``collate_fn=dict(type='domain_collate')`` in ``train_dataloader``.

    Args:
        data_batch: Items of a ``DomainDataset``; a domain's entry is a sample
            or a list of them.

    Returns:
        ``{'inputs': {domain: list}, 'data_samples': {domain: list}}``, item
        after item.
    """
    return {
        key: {
            domain: [
                sample
                for item in data_batch
                for sample in _as_list(item[key][domain])
            ]
            for domain in domains
        }
        for key, domains in data_batch[0].items()
    }


def samples_per_item(
    samples: Mapping[str, int] | None,
    domains: Collection[str],
    absent: Collection[str] = (),
) -> dict[str, int]:
    """Return the number of samples of each domain in an item.

    Args:
        samples: Numbers by domain; domains that it leaves out have one.
        domains: Names of the domains.
        absent: Further names that may be given: of domains that a config
            has left out.

    Raises:
        ConfigError: If a domain is unknown, or a number is not positive.
    """
    samples = dict(samples or {})
    for name, number in samples.items():
        if name not in domains and name not in absent:
            raise ConfigError(
                f"samples: there is no domain '{name}'"
                f'{did_you_mean(name, domains)}; the domains are '
                f'{", ".join(domains)}'
            )
        whole = isinstance(number, int) and not isinstance(number, bool)
        if not whole or number < 1:
            raise ConfigError(
                f'samples.{name} must be a whole number of at least 1, not '
                f'{number!r}'
            )
    return {name: samples.get(name, 1) for name in domains}


def _as_list(samples: Any) -> Sequence[Any]:
    return samples if isinstance(samples, (list, tuple)) else [samples]
