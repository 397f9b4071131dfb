# Source of first_adaptation.ipynb; tools/misc/run_tutorials.py makes it.
# %% [markdown]
# # Your first adaptation
#
# A network that finds roads and cars in images has to be shown images in which
# somebody has marked every pixel.
# A video game or a simulator gives such labels for nothing, but what it draws
# does not look like what your camera sees, and a network that has learned the
# one is poor on the other.
# *Unsupervised domain adaptation* (UDA) trains with both: with the labelled
# images of the **source** (the simulator) and with images of the **target**
# (the camera) that nobody has labelled.
#
# Here you do it once, from the data to the question whether it has helped.
# You need a clone of mmuda, [installed](README.md), and some ten minutes of a
# CPU. Everything is written into the folder in which the notebook lies, so
# copy it into an empty one.

# %% [markdown]
# ## 1. Two domains
#
# So that nothing has to be downloaded, mmuda draws streets.
# `gta5` is the source: bright, clean and with labels, on disk as the data set
# GTA5 has them.
# `cityscapes` is the target: other light, noise, colours and streets, in the
# layout of Cityscapes.

# %% language="bash"
# mmuda streets data/demo --layouts gta5 cityscapes \
#     --source-images 200 --train-images 200 --val-images 40

# %% [markdown]
# The 200 training images of the target have no labels at all.
# Its 40 validation images do: they are for measuring alone, and no training
# reads them.
#
# Look at both first. What differs to your eye differs to the network.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image


def show(pictures):
    """Pictures in a row, each with its title."""
    size = 3.2 * len(pictures), 1.9
    figure, places = plt.subplots(
        1, len(pictures), figsize=size, dpi=100, layout='constrained'
    )
    for place, (title, picture) in zip(places, pictures.items(), strict=True):
        place.imshow(picture)
        place.set_title(title, fontsize=9)
        place.axis('off')
    plt.show()


source = sorted(Path('data/demo/GTA5/images').rglob('*.png'))
target = sorted(Path('data/demo/Cityscapes/leftImg8bit/val').rglob('*.png'))
show(
    {
        'source': Image.open(source[3]),
        'its label': Image.open('data/demo/GTA5/labels/' + source[3].name),
        'target': Image.open(target[0]),
    }
)

# %% [markdown]
# ## 2. Source only: what to compare with
#
# Always train on the source alone first.
# It is the *lower bound*: a method that uses the target has to beat it.
# The network is a small one (EfficientNet-Lite0, 4 million parameters) that
# has learned from photographs (ImageNet) before; `--amp` lets it compute in 16
# bits if your processor can.

# %% language="bash"
# mmuda train demo_source_only_efficientnet-lite0_gta2cs --amp \
#     --work-dir work_dirs/source_only \
#     --cfg-options train_cfg.max_iters=240 train_cfg.val_interval=240 2>&1 \
#     | sed 's/ - mmengine - INFO//; s/segmentor.base_lr.* loss.seg/loss.seg/'

# %% [markdown]
# (`sed` only takes the logger's name and the learning rates out of the lines,
# to shorten them.) What to look at:
#
# - the head of the run says what is trained on what; "validation" are the
#   target's labelled images;
# - `loss.segmentor` falls: the network learns the source. `acc_seg` is how
#   many pixels of the source it gets right, in %;
# - the table is about the **target**: *IoU* of a class is the area where
#   prediction and label agree by the area where either has the class, so that
#   100 is perfect and a class that is never found has 0. *mIoU* is its mean
#   over the classes. The gap between `acc_seg` on the source and `aAcc` on the
#   target is what adaptation shall close.
#
# `work_dirs/source_only` now holds the checkpoint and `report.html`, a page
# about this training that you can open in a browser.

# %% [markdown]
# ## 3. Adapt
#
# The method is HRDA. Its idea in four sentences:
# a *teacher*, which is the running average of the network's weights, labels a
# target image. Objects of a source image are pasted on it, with their true
# labels. The network learns the mixture under strong changes of colours, so
# that it gets used to what the target looks like. It looks twice, at a large
# part of the image for what surrounds things and at a small part at twice the
# size for what is small, and learns which of the two to believe where.
#
# The teacher's labels are worth something only if the network knows the
# classes already. So it starts from the weights of source only
# (`--load-from`).

# %% language="bash"
# mmuda train demo_hrda_efficientnet-lite0_gta2cs --amp \
#     --load-from work_dirs/source_only/iter_240.pth \
#     --work-dir work_dirs/hrda \
#     --cfg-options train_cfg.max_iters=120 train_cfg.val_interval=120 2>&1 \
#     | grep -v "^|\|^+" \
#     | sed 's/ - mmengine - INFO//; s/segmentor.base_lr.* loss.seg/loss.seg/'

# %% [markdown]
# A longer training alone may be what helps. The fair comparison is source only
# that trains for as many iterations more:

# %% language="bash"
# mmuda train demo_source_only_efficientnet-lite0_gta2cs --amp \
#     --load-from work_dirs/source_only/iter_240.pth \
#     --work-dir work_dirs/longer \
#     --cfg-options train_cfg.max_iters=120 train_cfg.val_interval=120 2>&1 \
#     | grep "  start\|  length\|mIoU" \
#     | sed 's/ - mmengine - INFO//; s/cityscapes.mAcc.*//'

# %% [markdown]
# ## 4. Test
#
# Each training has measured its last checkpoint already. This is how to do it
# at any time, for any checkpoint:

# %% language="bash"
# mmuda test demo_hrda_efficientnet-lite0_gta2cs work_dirs/hrda/iter_120.pth \
#     --amp 2>&1 | grep "^|\|^+"

# %% [markdown]
# And this is what the three trainings have reached, from their logs:

# %%
import json


def last_scores(work_dir):
    """The last validation of a training, in %."""
    log = max(Path(work_dir).glob('*/vis_data/scalars.json'))
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [line for line in lines if 'cityscapes/mIoU' in line][-1]


runs = {
    'source only': last_scores('work_dirs/source_only'),
    'source only, longer': last_scores('work_dirs/longer'),
    'HRDA': last_scores('work_dirs/hrda'),
}
rows = ['mIoU', 'IoU.road', 'IoU.sidewalk', 'IoU.building', 'IoU.sky']
rows += ['IoU.vegetation', 'IoU.car', 'IoU.person', 'IoU.bicycle', 'entropy']
print(f'{"":16}', *(f'{name:>20}' for name in runs))
for row in rows:
    values = [scores[f'cityscapes/{row}'] for scores in runs.values()]
    digits = 3 if row == 'entropy' else 1
    print(f'{row:16}', *(f'{value:20.{digits}f}' for value in values))

before = runs['source only, longer']['cityscapes/mIoU']
gain = runs['HRDA']['cityscapes/mIoU'] - before
print()
if gain > 1:
    print(f'HRDA is {gain:.1f} points of mIoU ahead of the fair comparison.')
elif gain > -1:
    print(
        f'{gain:+.1f} points of mIoU: no difference that one run could show.'
    )
else:
    print(f'Adaptation did NOT help: {gain:.1f} points of mIoU.')

# %% [markdown]
# What to look at:
#
# - **The first column against the last** looks like a great success of HRDA.
# - **The middle column against the last** is the fair comparison, and its
#   verdict stands below the table. What source only gains by training on is
#   no adaptation: the network had not finished learning the source. The
#   first column alone would have sold all of it as one.
# - Single classes differ more than mIoU does: adaptation helps some and takes
#   from others.
# - *Entropy* is how unsure the network is of the target's pixels, from 0 to 1.
#   It falls in any training, also in one that does harm: being sure is not
#   being right.
#
# Mind how small this is: 40 images, one run, 120 iterations. Another
# seed (option --seed) moves mIoU by a point or so, so less than that is no
# difference. With 300 iterations on the source and 300 more of each, on larger
# sets of these streets, we measured 50.8 for source only, 52.1 for DACS and
# 57.6 for HRDA, which sees images at two scales
# ([which method when](../which_method.md)). A method needs a network that
# knows its classes, and time.

# %% [markdown]
# ## 5. Before and after
#
# Numbers hide where a network errs. `Segmenter` predicts images by a
# checkpoint; the config is in the checkpoint.

# %%
import warnings

warnings.filterwarnings('ignore', 'Fail to import')  # of a part unused here
from mmuda.apis import Segmenter

segmenters = {
    'source only, longer': Segmenter(
        checkpoint='work_dirs/longer/iter_120.pth', device='cpu'
    ),
    'HRDA': Segmenter(checkpoint='work_dirs/hrda/iter_120.pth', device='cpu'),
}
# what the label files of Cityscapes hold for road, sidewalk, building, ...
IDS = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 32, 33]


def image_mean_iou(predicted, image_path):
    """The mIoU of the classes that an image has, in %."""
    file = str(image_path).replace('leftImg8bit.png', 'gtFine_labelIds.png')
    ids = np.asarray(Image.open(file.replace('leftImg8bit', 'gtFine')))
    ious = []
    for number, label_id in enumerate(IDS):
        found, true = predicted == number, ids == label_id
        if true.any():
            either = (found | true) & np.isin(ids, IDS)
            ious.append((found & true).sum() / either.sum())
    return 100 * np.mean(ious)


for path in target[0], target[13]:
    pictures = {'target': Image.open(path)}
    for name, segmenter in segmenters.items():
        result = segmenter.predict(path)
        score = image_mean_iou(result.label_map, path)
        title = f'{name}: mIoU {score:.1f}'
        pictures[title] = result.overlay(with_legend=False)
    show(pictures)

# %% [markdown]
# Look at borders between road and sidewalk, at the sky and at small things.
# The legend is the palette of Cityscapes: purple is road, pink sidewalk, dark
# grey building, green vegetation, light blue sky, dark blue car, red person.

# %% [markdown]
# ## 6. And without labels of the target?
#
# Above, 40 labelled images told whether adaptation has helped. Your target may
# have none. `mmuda harm-report` compares an adapted network with source only
# without a label of the target. HRDA's network is another one than that of
# source only, so it has to be told the config of source only as well
# ([networks that differ](../label_free_validation.md#networks-that-differ)).
# Reports with and without alarms are in
# [which_checkpoint_without_labels](which_checkpoint_without_labels.ipynb).
#
# ## What next
#
# - More iterations: the same steps with 300 each.
# - A method that costs half as much: `demo_dacs_efficientnet-lite0_gta2cs` in
#   place of HRDA. Is it ahead of the fair comparison, too?
# - Your own images:
#   [own_simulator_to_own_camera](own_simulator_to_own_camera.ipynb), and
#   [own data](../own_data.md).
# - What goes wrong, and why: [FAQ](../faq.md).
