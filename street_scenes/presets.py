# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""The built-in domains: three rendered looking ones and four of cameras."""

from mmuda.utils.errors import ConfigError
from street_scenes.camera_domains import (
    BDD100K,
    CITYSCAPES,
    IDD,
    MAPILLARY,
)
from street_scenes.rendered_domains import (
    GTA5,
    SYNSCAPES,
    SYNTHIA,
)
from street_scenes.street_domains import Domain

DOMAINS = {
    domain.name: domain
    for domain in (
        GTA5,
        SYNTHIA,
        SYNSCAPES,
        CITYSCAPES,
        IDD,
        MAPILLARY,
        BDD100K,
    )
}


def get_domain(domain: Domain | str) -> Domain:
    """Return the built-in domain of that name, or the domain passed in.

    Raises:
        ConfigError: There is no domain of that name.
    """
    if isinstance(domain, Domain):
        return domain
    if domain not in DOMAINS:
        raise ConfigError(
            f'unknown street scene domain {domain!r}; '
            f'choose one of {", ".join(DOMAINS)}'
        )
    return DOMAINS[domain]
