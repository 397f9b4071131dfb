"""What is odd in a label or two is no proof against the data set."""

from collections import Counter

import numpy as np
import pytest

from mmuda.datasets.labels.label_content import Edges, LabelContent, LabelFacts
from mmuda.datasets.labels.label_verdict import judge_labels

CLASSES = ('road', 'car', 'person')
LUT = np.arange(256, dtype=np.uint8)
# Of the oddest among hundreds of sound labels, and of usual JPEG ones.
ODD = Edges(between=0.16, alone=0.14)
JPEG = Edges(between=0.18, alone=0.18)


def doubts(count, edges):
    content = LabelContent(LUT)
    for i in range(count):
        ids = Counter({0: 50, 1: 30, 2: 20})
        content.add(LabelFacts(f'{i}.png', ids, edges, None))
    return judge_labels(content, CLASSES, None, is_whole=True).doubts


@pytest.mark.parametrize('count', [1, 2, 3])
def test_few_labels_with_odd_edges(count):
    assert doubts(count, ODD) == []


def test_many_labels_with_odd_edges():
    (doubt,) = doubts(4, ODD)
    assert '16% of the edges, and 14% of the pixels there' in doubt


@pytest.mark.parametrize('count', [1, 3, 4])
def test_few_labels_with_edges_of_jpeg(count):
    assert 'saved as JPEG' in doubts(count, JPEG)[0]
