"""Lines that tell how far work on images is."""

import time

from mmuda.pseudo_labels.labelling_report import ProgressLines


def test_time_is_told_once_it_is_known(monkeypatch):
    clock = iter([0.0, 20.0, 40.0, 50.0])
    monkeypatch.setattr(time, 'monotonic', lambda: next(clock))
    lines = []
    report = ProgressLines(write=lines.append)
    for part, done in (('target', 0), ('target', 4), ('target', 8)):
        report(part, done, 8)
    report('source', 1, 3)
    assert lines == [
        'target: 0 of 8 images',
        'target: 4 of 8 images, 00:00:20 left',
        'target: 8 of 8 images, 00:00:00 left',
        'source: 1 of 3 images',
    ]
