"""Pictures that a camera has marked as turned, with labels."""

import numpy as np
from PIL import Image
from toy_images import folder_config

from mmuda.registry import DATASETS

SKY, ROAD, CAR = 7, 0, 9  # of the ten shared classes
COLOURS = {SKY: (70, 130, 180), ROAD: (128, 64, 128), CAR: (0, 0, 142)}
# How a viewer turns stored pixels, written as Pillow's operations.
TURNS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def stored_label(size=(32, 64)):
    """Sky above, road below, a car at the left, as stored."""
    height, width = size
    label = np.full(size, SKY, np.uint8)
    label[height // 2 :] = ROAD
    label[height // 2 - 4 : height // 2 + 8, 4 : width // 4] = CAR
    return label


def as_displayed(array, tag):
    image = Image.fromarray(array)
    turn = TURNS[tag]
    return np.asarray(image if turn is None else image.transpose(turn))


def write_picture(path, label, tag):
    """Write the colours of a stored label with an EXIF orientation."""
    colours = np.zeros((*label.shape, 3), np.uint8)
    for value, colour in COLOURS.items():
        colours[label == value] = colour
    image = Image.fromarray(colours)
    exif = image.getexif()
    exif[0x0112] = tag
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, exif=exif, quality=95)


def make_turned(root, tags, drawn_on, size=(32, 64), suffix='.jpg'):
    """Write ``images/<tag>`` and labels drawn on either of both."""
    for tag in tags:
        label = stored_label(size)
        write_picture(root / f'images/{tag}{suffix}', label, tag)
        if drawn_on == 'displayed':
            label = as_displayed(label, tag)
        path = root / f'labels/{tag}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(label).save(path)
    return root


def turned_folder(root, **options):
    return DATASETS.build(folder_config(root, **options))


def car_overlap(image, label):
    """IoU of the car in a BGR picture and its label."""
    car = np.abs(image.astype(int) - COLOURS[CAR][::-1]).sum(-1) < 60
    return (car & (label == CAR)).sum() / (car | (label == CAR)).sum()
