# Copyright (c) mmuda authors.
"""Fog, night, rain and snow over the streets of a domain."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from street_scenes.street_domains import RGB, Domain

# What each makes of a look.
_LOOKS: Mapping[str, Mapping[str, Any]] = {
    'fog': dict(
        haze_colour=(206, 208, 208),
        visibility=32.0,
        sun=0.03,
        shadow=0.04,
        saturation=0.6,
        contrast=0.72,
        clouds=0.0,
    ),
    # Lit from below: the camera's noise is what is left of the rest.
    'night': dict(
        haze_colour=(20, 20, 30),
        visibility=70.0,
        sun=0.0,
        shadow=0.05,
        saturation=0.7,
        contrast=1.1,
        brightness=(0.24, 0.44),
        cast=(1.12, 0.98, 0.84),
        noise=8.0,
        vignette=0.7,
        clouds=0.0,
    ),
    'twilight': dict(
        haze_colour=(96, 100, 126),
        sun=0.02,
        shadow=0.05,
        brightness=(0.48, 0.66),
        cast=(0.92, 0.97, 1.16),
        noise=5.0,
    ),
    'rain': dict(
        haze_colour=(168, 172, 178),
        visibility=90.0,
        sun=0.02,
        shadow=0.05,
        saturation=0.72,
        contrast=0.8,
        brightness=(0.66, 0.9),
        blur=0.9,
        noise=4.5,
        clouds=0.9,
    ),
    'snow': dict(
        haze_colour=(226, 230, 236),
        visibility=110.0,
        sun=0.04,
        shadow=0.08,
        saturation=0.66,
        contrast=0.8,
        brightness=(0.98, 1.18),
        clouds=0.3,
    ),
}
_GREY_SKY = ((176, 178, 182), (188, 190, 192))
_DARK_SKY = ((26, 28, 42), (34, 34, 46))
_WHITE = ((214, 218, 224), (226, 228, 232))
# What each makes of the colours of surfaces.
_COLOURS: Mapping[str, Mapping[str, tuple[RGB, ...]]] = {
    'fog': dict(sky_top=_GREY_SKY, sky_low=_GREY_SKY),
    'night': dict(sky_top=_DARK_SKY, sky_low=_DARK_SKY),
    'rain': dict(
        sky_top=_GREY_SKY,
        sky_low=_GREY_SKY,
        road=((70, 72, 78), (60, 62, 68)),
    ),
    'snow': dict(
        sky_top=_GREY_SKY,
        sky_low=_GREY_SKY,
        terrain=_WHITE,
        sidewalk=_WHITE,
        road=((150, 152, 156), (120, 122, 126)),
    ),
}


def in_weather(domain: Domain, condition: str) -> Domain:
    """Return a domain whose streets lie in fog, rain, snow or the dark.

    Its scenes are others than the domain's own.

    Args:
        domain: The domain.
        condition: ``fog``, ``night``, ``twilight``, ``rain`` or ``snow``; any
            other, such as ``day``, leaves its look as it is.
    """
    return replace(
        domain,
        name=f'{domain.name} {condition}',
        look=replace(domain.look, **_LOOKS.get(condition, {})),
        colours={**domain.colours, **_COLOURS.get(condition, {})},
    )
