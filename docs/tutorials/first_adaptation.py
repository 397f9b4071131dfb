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
#     --cfg-options train_cfg.max_iters=150 train_cfg.val_interval=150 \
#     2>&1 | cut -c 1-120

# %% [markdown]
# (`cut` shortens long lines. What is cut off stands in the whole log, and as
# curves in `work_dirs/source_only/report.html`.) What to look at:
#
# - the head of the run says what is trained on what; "validation" are the
#   target's labelled images;
# - in that log, `loss.segmentor` falls: the network learns the source.
#   `acc_seg` is how many pixels of the source it gets right, in %;
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
# The method is DACS. Its idea in three sentences:
# a *teacher*, which is the running average of the network's weights, labels a
# target image. Objects of a source image are pasted on it, with their true
# labels. The network learns the mixture under strong changes of colours, so
# that it gets used to what the target looks like.
#
# The teacher's labels are worth something only if the network knows the
# classes already. So it starts from the weights of source only
# (`--load-from`).

# %% language="bash"
# mmuda train demo_dacs_efficientnet-lite0_gta2cs --amp \
#     --load-from work_dirs/source_only/iter_150.pth \
#     --work-dir work_dirs/dacs \
#     --cfg-options train_cfg.max_iters=80 train_cfg.val_interval=80 2>&1 \
#     | grep -v "^|\|^+" | cut -c 1-120

# %% [markdown]
# A longer training alone may be what helps. The fair comparison is source only
# that trains for as many iterations more:

# %% language="bash"
# mmuda train demo_source_only_efficientnet-lite0_gta2cs --amp \
#     --load-from work_dirs/source_only/iter_150.pth \
#     --work-dir work_dirs/longer \
#     --cfg-options train_cfg.max_iters=80 train_cfg.val_interval=80 2>&1 \
#     | grep "start\|length\|mIoU" | cut -c 1-120

# %% [markdown]
# ## 4. Test
#
# Each training has measured its last checkpoint already. This is how to do it
# at any time, for any checkpoint:

# %% language="bash"
# mmuda test demo_dacs_efficientnet-lite0_gta2cs work_dirs/dacs/iter_80.pth \
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
    'DACS': last_scores('work_dirs/dacs'),
}
rows = ['mIoU', 'IoU.road', 'IoU.sidewalk', 'IoU.building', 'IoU.sky']
rows += ['IoU.vegetation', 'IoU.car', 'IoU.person', 'IoU.bicycle', 'entropy']
print(f'{"":16}', *(f'{name:>20}' for name in runs))
for row in rows:
    values = [scores[f'cityscapes/{row}'] for scores in runs.values()]
    digits = 3 if row == 'entropy' else 1
    print(f'{row:16}', *(f'{value:20.{digits}f}' for value in values))

before = runs['source only, longer']['cityscapes/mIoU']
gain = runs['DACS']['cityscapes/mIoU'] - before
print()
if gain > 1:
    print(f'DACS is {gain:.1f} points of mIoU ahead of the fair comparison.')
elif gain > -1:
    print(
        f'{gain:+.1f} points of mIoU: no difference that one run could show.'
    )
else:
    print(f'Adaptation did NOT help: {gain:.1f} points of mIoU.')

# %% [markdown]
# What to look at:
#
# - **The first column against the last** looks like a great success of DACS.
# - **The middle column against the last** is the fair comparison, and its
#   verdict stands below the table. Where the two columns are level, the gain
#   is no adaptation: the network had not finished learning the source. The
#   first column alone would have sold it as one.
# - Single classes differ more than mIoU does: adaptation helps some and takes
#   from others.
# - *Entropy* is how unsure the network is of the target's pixels, from 0 to 1.
#   It falls in any training, also in one that does harm: being sure is not
#   being right.
#
# Mind how small this is: 40 images, one run, 80 iterations. Another
# seed (`--seed 1`) moves mIoU by a point or so, so less than that is no
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
        checkpoint='work_dirs/longer/iter_80.pth', device='cpu'
    ),
    'DACS': Segmenter(checkpoint='work_dirs/dacs/iter_80.pth', device='cpu'),
}
for path in target[0], target[13]:
    pictures = {'target': Image.open(path)}
    for name, segmenter in segmenters.items():
        result = segmenter.predict(path)
        pictures[name] = result.overlay(with_legend=False)
    show(pictures)

# %% [markdown]
# Look at borders between road and sidewalk, at the sky and at small things.
# The legend is the palette of Cityscapes: purple is road, pink sidewalk, dark
# grey building, green vegetation, light blue sky, dark blue car, red person.

# %% [markdown]
# ## 6. And without labels of the target?
#
# Above, 40 labelled images told whether adaptation has helped. Your target may
# have none. `harm-report` compares the adapted network with source only
# without a label of the target, and lists reasons for worry; from two alarms
# on it says that adaptation probably harms.

# %% language="bash"
# mmuda harm-report demo_dacs_efficientnet-lite0_gta2cs \
#     work_dirs/dacs/iter_80.pth \
#     --source-only work_dirs/longer/iter_80.pth --amp --max-images 40 \
#     --max-source-images 40 2> progress.txt || echo "exit status: $?"

# %% [markdown]
# It has seen no label. In the run that you see it raises no alarm, and the
# labels above show no harm that one run could show, either. No alarm is no
# proof that adaptation helps, as
# [which_checkpoint_without_labels](which_checkpoint_without_labels.ipynb)
# shows with a training that goes wrong.
#
# ## What next
#
# - A gain that is beyond doubt: the same steps with 300 iterations each, and
#   `demo_hrda_efficientnet-lite0_gta2cs` in place of DACS.
# - Your own images:
#   [own_simulator_to_own_camera](own_simulator_to_own_camera.ipynb), and
#   [own data](../own_data.md).
# - What goes wrong, and why: [FAQ](../faq.md).
