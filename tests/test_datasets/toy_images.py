"""Image and label files for tests."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image


def make_image(path: Path, seed: int = 0, size: tuple[int, int] = (8, 12)):
    """Write a random (H, W, 3) image and return it as BGR."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)
    return image


def make_label(path: Path, ids: np.ndarray, palette: bool = False):
    """Write ids as an 8-bit grey or palette PNG, or a 16-bit one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(ids)
    if palette:
        # Colours in reverse, so that index and colour never agree.
        image.putpalette([255 - i // 3 for i in range(768)])
    image.save(path)
    return ids


def make_folder(root: Path, keys, ids=0, size=(8, 12)) -> Path:
    """Write ``images/<key>.jpg`` and constant ``labels/<key>.png``."""
    for seed, key in enumerate(keys):
        make_image(root / 'images' / f'{key}.jpg', seed, size)
        label = np.full(size, ids, dtype=np.uint8)
        make_label(root / 'labels' / f'{key}.png', label)
    return root


def folder_config(root: Path, labels: bool = True, **options) -> dict:
    """Return the config of a FolderDataset with the ten shared classes."""
    prefix = {'img_path': 'images'}
    if labels:
        prefix['seg_map_path'] = 'labels'
    return {
        'type': 'FolderDataset',
        'data_root': str(root),
        'data_prefix': prefix,
        'label_set': 'carla_camvid10',
        **options,
    }


def cut_in_half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


LOAD = [{'type': 'LoadImage'}, {'type': 'LoadLabels'}]
RANDOM = [
    {'type': 'RandomFlip', 'prob': 0.5},
    {'type': 'RandomCrop', 'crop_size': (5, 6)},
    {'type': 'PhotoMetricDistortion'},
    {'type': 'PackDomainInputs'},
]


def domain_configs(root: Path) -> dict[str, dict]:
    """Write a source of three and a target of five images."""
    source = make_folder(root / 'source', '012')
    target = make_folder(root / 'target', '01234')
    return {
        'source': folder_config(source, pipeline=LOAD + RANDOM),
        'target': folder_config(
            target, labels=False, pipeline=LOAD[:1] + RANDOM
        ),
    }


def keys_of(dataset) -> list[str]:
    """Return the keys of all samples."""
    return [dataset.get_data_info(i)['key'] for i in range(len(dataset))]
