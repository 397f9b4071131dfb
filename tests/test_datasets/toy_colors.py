"""Images of known and of random colours."""

import cv2
import numpy as np


def random_image(seed, low=0, high=256, size=(40, 30)):
    """Independent values, (H, W, 3) uint8; size is width and height."""
    generator = np.random.default_rng(seed)
    values = generator.integers(low, high, (size[1], size[0], 3))
    return values.astype(np.uint8)


def scene(seed, size=(96, 64)):
    """Smooth areas, edges and noise in dark and light, as a camera sees."""
    generator = np.random.default_rng(seed)
    coarse = generator.random((5, 7, 3)).astype(np.float32)
    image = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC) ** 2
    image[size[1] // 2 :] *= generator.random(3)
    image[: size[1] // 4] += 0.4
    image += generator.normal(0, 0.02, image.shape)
    return (255 * image).clip(0, 255).astype(np.uint8)


def write_images(folder, count, start=0, suffix='.png', size=(12, 8)):
    """Write ``00.png`` and so on, all different."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        image = random_image(start + number, 20, 230, size)
        cv2.imwrite(str(folder / f'{number:02}{suffix}'), image)
    return folder


def contents(folder):
    """Bytes of all files below a folder by path, without hidden ones."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file() and not path.name.startswith('.')
    }
