# Copyright (c) mmuda authors.
"""Classes of the ground as seen from the air.

Source: LoveDA (Wang et al., NeurIPS Datasets and Benchmarks 2021), its README
and code; the colours are those of MMSegmentation.
"""

from mmuda.utils.names import IGNORE_ID

# Its classes in their order.
LOVEDA_PALETTE = {
    'background': [255, 255, 255],
    'building': [255, 0, 0],
    'road': [255, 255, 0],
    'water': [0, 0, 255],
    'barren': [159, 129, 183],
    'forest': [0, 255, 0],
    'agricultural': [255, 195, 128],
}
# Ids of masks to train ids; 0 is where the image has no data.
LOVEDA_TABLE = {0: IGNORE_ID, **{i: i - 1 for i in range(1, 8)}}
