"""Polygon files of IDD for tests."""

import json


def polygon_file(*objects, size=(6, 4)):
    """Return the content of a file; an object is label, polygon, more."""
    objects = [
        {'label': label, 'polygon': polygon, **more}
        for label, polygon, more in objects
    ]
    return json.dumps(
        {'imgWidth': size[0], 'imgHeight': size[1], 'objects': objects}
    ).encode()
