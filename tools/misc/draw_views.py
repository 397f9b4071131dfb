# Copyright (c) mmuda authors.
"""Draw what methods see of generated streets, for their pages in docs/methods.

No network takes part: where a teacher would label, the true label stands.
"""

import mmuda  # noqa: F401  # isort: skip (Ctrl-C, from here on)
import argparse
import io
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from mmseg.utils import get_palette
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from mmuda.color.lab import transfer_colors
from mmuda.models.augmentation import StrongAugmentation
from mmuda.models.batch import DomainBatch
from mmuda.models.mixing import halves_of_classes, mix_classes
from mmuda.models.segmentors.scales import part, random_box
from mmuda.models.terms.masked_consistency import block_mask
from mmuda.utils.cli import add_traceback_option, run_tool
from mmuda.utils.drawing import colourise, panel, stack
from mmuda.utils.files import atomic_write

# This is beside tools/ in the repository, no part of the package.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from street_scenes import render_scene

FOLDER = Path(__file__).resolve().parents[2] / 'docs/pictures/methods'
_HEIGHT, _WIDTH = 112, 224
_BLOCK, _MASK_RATIO = 16, 0.7
_MULTIPLE = 8
_QUALITY = 75

Tiles = Mapping[str, np.ndarray]


def street(domain: str, index: int, scale: int = 1) -> DomainBatch:
    """One street of a domain with its label, RGB in [0, 255].

    Args:
        domain: Name of a look.
        index: Number of the scene.
        scale: How many times as large as a tile.
    """
    size = scale * _WIDTH, scale * _HEIGHT
    image, label = render_scene(domain, 0, index, size)
    labels = torch.from_numpy(label).long()[None]
    images = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    return DomainBatch(
        images, labels, weights=torch.ones(labels.shape), name=domain
    )


def mixed_images() -> Tiles:
    """DACS: half of the classes of a source image on a target image."""
    source, target = street('gta5', 4), street('cityscapes', 1)
    chosen = halves_of_classes(source.require_labels(), 'image')
    mixed, _ = mix_classes(source, target, chosen)
    strong = StrongAugmentation(jitter_probability=1, blur_probability=1)
    shown = StrongAugmentation.apply(mixed.images, strong.draw(1))
    return {
        'source': picture(source.images),
        'target': picture(target.images),
        'mixed, jittered, blurred': picture(shown),
        'its label': colours(mixed.require_labels()),
    }


def masked_images() -> Tiles:
    """MIC: a target image of which blocks are hidden."""
    target = street('cityscapes', 1)
    blocks = torch.rand(1, 1, _HEIGHT // _BLOCK, _WIDTH // _BLOCK)
    kept = block_mask(blocks, (_HEIGHT, _WIDTH), _MASK_RATIO)
    return {
        'target, as the teacher sees it': picture(target.images),
        'masked, as the network does': picture(target.images * kept),
        'label that it has to find': colours(target.require_labels()),
    }


def two_scales() -> Tiles:
    """HRDA: an image, its context at half the size and a part in detail."""
    image = street('cityscapes', 1, scale=2).images
    size = 2 * _HEIGHT, 2 * _WIDTH
    box = random_box(size, (_HEIGHT, _WIDTH), _MULTIPLE)
    framed = picture(image).copy()
    for rows, columns in (
        (slice(box.top, box.bottom), [box.left, box.right - 1]),
        ([box.top, box.bottom - 1], slice(box.left, box.right)),
    ):
        framed[rows, columns] = 255
    context = interpolate(image, (_HEIGHT, _WIDTH), mode='bilinear')
    return {
        'image, and the box of the detail': framed,
        'context (above), detail (below)': stack(
            [picture(context), picture(part(image, box))]
        ),
    }


def other_colours() -> Tiles:
    """CCL and MLCL: images in the Lab colours of a target."""
    source, first, second = (
        street(name, index).images
        for name, index in (('gta5', 4), ('cityscapes', 1), ('idd', 2))
    )
    return {
        'target 1': picture(first),
        'target 2': picture(second),
        'target 1 in colours of 2': picture(transfer_colors(first, second)),
        'source in colours of 2': picture(transfer_colors(source, second)),
    }


VIEWS: dict[str, Callable[[], Tiles]] = {
    'dacs_view': mixed_images,
    'mic_view': masked_images,
    'hrda_view': two_scales,
    'mlcl_view': other_colours,
}


def picture(images: Tensor) -> np.ndarray:
    """The first of (N, 3, H, W) RGB images in [0, 255], (H, W, 3) uint8."""
    values = images[0].permute(1, 2, 0).round().clamp(0, 255)
    return values.to(torch.uint8).numpy()


def colours(labels: Tensor) -> np.ndarray:
    """The first of (N, H, W) labels, (H, W, 3) uint8."""
    return colourise(labels[0].numpy(), get_palette('cityscapes'))


def tiles_of(name: str) -> Tiles:
    """Tiles of a view by title; always the same."""
    torch.manual_seed(0)
    return VIEWS[name]()


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--folder',
        type=Path,
        default=FOLDER,
        metavar='DIR',
        help='where pictures go (default: the docs)',
    )
    add_traceback_option(parser)
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Draw all views."""
    for name in VIEWS:
        file = io.BytesIO()
        image = Image.fromarray(panel(tiles_of(name)))
        image.save(file, 'JPEG', quality=_QUALITY, optimize=True)
        atomic_write(args.folder / f'{name}.jpg', file.getvalue())


if __name__ == '__main__':
    sys.exit(run_tool(main, parse_args()))
