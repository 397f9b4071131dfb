# Source of own_simulator_to_own_camera.ipynb; tools/misc/run_tutorials.py
# makes it.
# %% [markdown]
# # From your own simulator to your own camera
#
# You have images of a simulator with labels in ids of its own, and images of a
# camera without labels. This notebook goes from these files to a network as
# one ONNX file, and writes one short config on the way. Read
# [first_adaptation](first_adaptation.ipynb) before, for the words. It needs
# the [same installation](README.md) and about ten minutes.

# %% [markdown]
# ## 1. The files
#
# Any folders do, as long as an image and its label have the same path below
# theirs, apart from the suffix. Here it shall be
#
# ```
# data/my_simulator            data/my_camera
# ├── images/drive_1/0001.png  ├── train/0001.png       no labels
# ├── labels/drive_1/0001.png  ├── val/0301.png         a few, to measure
# └── train.txt                └── val_labels/0301.png
# ```
#
# A label is a PNG with one channel whose values are ids. The simulator of this
# example has 1 for road, 2 sidewalk, 3 building, 4 vegetation, 5 sky and 6
# car, and 0 for all else.
#
# The next two cells make such files of streets that mmuda draws. With data of
# your own leave them out.

# %% language="bash"
# mmuda streets data/raw --layouts gta5 cityscapes \
#     --source-images 200 --train-images 200 --val-images 40

# %%
from pathlib import Path

import numpy as np
from PIL import Image

# ids of the drawn streets -> ids of the simulator
OWN_IDS = {7: 1, 8: 2, 11: 3, 21: 4, 23: 5, 26: 6}
TABLE = np.zeros(256, np.uint8)
TABLE[list(OWN_IDS)] = list(OWN_IDS.values())


def save(picture, path):
    """Write a PNG, with its folder."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def save_pair(image, label, image_path, label_path):
    """An image and its label, in the ids of the simulator."""
    save(Image.open(image), image_path)
    ids = np.asarray(Image.open(label))
    save(Image.fromarray(TABLE[ids]), label_path)


raw = Path('data/raw')
for number, image in enumerate(sorted(raw.glob('GTA5/images/*.png'))):
    name = f'drive_{number // 50}/{number:04}.png'
    save_pair(
        image,
        raw / 'GTA5/labels' / image.name,
        f'data/my_simulator/images/{name}',
        f'data/my_simulator/labels/{name}',
    )
camera = raw / 'Cityscapes'
for number, image in enumerate(sorted(camera.glob('leftImg8bit/train/*/*'))):
    save(Image.open(image), f'data/my_camera/train/{number:04}.png')
for number, image in enumerate(sorted(camera.glob('leftImg8bit/val/*/*'))):
    stem = image.name.removesuffix('_leftImg8bit.png')
    label = next(camera.glob(f'gtFine/val/*/{stem}_gtFine_labelIds.png'))
    save_pair(
        image,
        label,
        f'data/my_camera/val/{number + 300:04}.png',
        f'data/my_camera/val_labels/{number + 300:04}.png',
    )

# %% [markdown]
# A **split list** chooses images: one path a line, below the folder of the
# images, without suffix. The first drive shall not be trained with:

# %%
images = Path('data/my_simulator/images')
keys = sorted(
    str(path.relative_to(images).with_suffix(''))
    for path in images.rglob('*.png')
    if path.parent.name != 'drive_0'
)
Path('data/my_simulator/train.txt').write_text('\n'.join(keys) + '\n')
print(len(keys), 'images, the first one:', keys[0])

# %% [markdown]
# ## 2. The config
#
# It inherits from a config of mmuda, which brings the network, the method, the
# changes of sizes and colours and the optimizer. What is ours is
#
# - **the classes**: names and colours, in the order of their numbers, and
#   `label_table`, which says which id of the files is which class. An id that
#   is not in the table is an error, so that no class is lost by accident;
#   `'others': 255` ignores all others on purpose;
# - **the domains**: the folders;
# - **the setting**: which domain is the source and which the target.

# %%
CONFIG = """\
_base_ = 'mmuda::dacs/dacs_efficientnet-lite0_idda2cs256.py'

_data = dict(
    type='FolderDataset',
    img_suffix='.png',
    label_set=None,
    metainfo=dict(
        classes=('road', 'sidewalk', 'building', 'vegetation', 'sky', 'car'),
        palette=[
            [128, 64, 128], [244, 35, 232], [70, 70, 70],
            [107, 142, 35], [70, 130, 180], [0, 0, 142],
        ],
    ),
    label_table={1: 0, 2: 1, 3: 2, 4: 3, 5: 4, 6: 5, 'others': 255},
)
domains = dict(
    my_simulator=dict(
        dataset=dict(_data, data_root='data/my_simulator'),
        train=dict(
            img_path='images', seg_map_path='labels', ann_file='train.txt'
        ),
    ),
    my_camera=dict(
        dataset=dict(_data, data_root='data/my_camera'),
        train=dict(img_path='train'),
        val=dict(img_path='val', seg_map_path='val_labels'),
    ),
)
# as the base shows images, with our number of classes
_protocol = dict(_base_.protocol.cityscapes, num_classes=6)
_protocol.pop('label_set')
_protocol.pop('metric')
protocol = dict(mine=_protocol)
settings = dict(
    sim2camera=dict(
        source='my_simulator', targets=['my_camera'], protocol='mine'
    )
)
setting = 'sim2camera'

# 80 iterations on the source, as the teacher knows nothing before, and then
# 40 with the target
model = dict(warmup_iters=80)
train_cfg = dict(max_iters=120, val_interval=120)
default_hooks = dict(checkpoint=dict(interval=120))
"""
written = Path('sim2camera.py').write_text(CONFIG)

# %% [markdown]
# ## 3. Check before you train
#
# `mmuda check` reads the files of all domains and says what is wrong: missing
# labels, ids that the table lacks, sizes. Then it says how far the domains are
# apart.

# %% language="bash"
# mmuda check sim2camera.py 2>&1

# %% [markdown]
# The sentences at the end say what to do about it; the colours are what
# adaptation has to bridge here.
#
# ## 4. Train
#
# First the lower bound: the same config with a warm-up as long as the training
# sees no target at all. (`grep` leaves the table of the validation.)

# %% language="bash"
# mmuda train sim2camera.py --amp --work-dir work_dirs/source_only \
#     --cfg-options model.warmup_iters=120 2>&1 | grep "^|\|^+"

# %% [markdown]
# `mmuda browse` shows what training *really* sees: images after all random
# changes, with their labels. With the checkpoint just trained it also shows
# what the teacher would say of the target.

# %% language="bash"
# mmuda browse sim2camera.py --count 1 --out browsed \
#     --checkpoint work_dirs/source_only/iter_120.pth 2>&1
# ls browsed

# %%
from IPython.display import display

for path in sorted(Path('browsed').glob('*.png')):
    picture = Image.open(path).convert('RGB')
    picture.thumbnail((900, 400))
    print(path)
    display(picture)

# %% [markdown]
# Look whether the labels of the source lie on what they name, whether you
# would still know the things in the changed images, and whether the
# pseudo-labels of the target are right where the confidence is high (bright):
# from these the network will learn. In the mixed image objects of the source
# stand in the target. `browsed/index.html` has all of it on one page.
#
# Then adapt (`cut` shortens the lines of losses, which the log in the work dir
# has whole):

# %% language="bash"
# mmuda train sim2camera.py --amp --work-dir work_dirs/dacs 2>&1 \
#     | cut -c 1-120

# %%
import json


def last_scores(work_dir):
    """The last validation of a training, in %."""
    log = max(Path(work_dir).glob('*/vis_data/scalars.json'))
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [line for line in lines if 'my_camera/mIoU' in line][-1]


before = last_scores('work_dirs/source_only')['my_camera/mIoU']
after = last_scores('work_dirs/dacs')['my_camera/mIoU']
print(f'mIoU on the camera: {before:.1f} -> {after:.1f}')
if after - before > 1:
    print('Adaptation has helped.')
elif after - before > -1:
    print('No difference that one run could show.')
else:
    print('Adaptation has NOT helped.')

# %% [markdown]
# Mind that this is one run: another seed moves mIoU by a point or so.
# If it has not helped, train source only for longer first, and take the
# adaptation from its weights (`--load-from`), as in
# [first_adaptation](first_adaptation.ipynb).
#
# ## 5. Predict
#
# `Segmenter` takes an image, a folder, a video or an array; the config is in
# the checkpoint.

# %%
import warnings

import matplotlib.pyplot as plt

warnings.filterwarnings('ignore', 'Fail to import')  # of a part unused here
from mmuda.apis import Segmenter

segmenter = Segmenter(checkpoint='work_dirs/dacs/iter_120.pth', device='cpu')
result = segmenter.predict(
    'data/my_camera/val/0305.png', outputs=('labels', 'entropy')
)
road = result.label_map == segmenter.classes.index('road')
print(f'{road.mean():.0%} of the image is road')
pictures = {
    'image': result.image,
    'prediction': result.overlay(with_legend=False),
    'entropy (bright: unsure)': result.entropy,
}
figure, places = plt.subplots(
    1, 3, figsize=(9.6, 1.9), dpi=100, layout='constrained'
)
for place, (title, picture) in zip(places, pictures.items(), strict=True):
    place.imshow(picture, cmap='magma')
    place.set_title(title, fontsize=9)
    place.axis('off')
plt.show()

# %% [markdown]
# Of folders and videos `mmuda predict` writes PNGs and videos, with
# `--overlay` for the eye: [predicting](../predict.md).
#
# ## 6. Take it along
#
# `mmuda export` writes the network as one file that needs neither mmuda nor
# PyTorch, and compares it with PyTorch before:

# %% language="bash"
# mmuda export sim2camera.py work_dirs/dacs/iter_120.pth \
#     --out my_network.onnx 2>&1

# %%
import onnxruntime

session = onnxruntime.InferenceSession('my_network.onnx')
about = session.get_modelmeta().custom_metadata_map
classes = json.loads(about['classes'])
size = json.loads(about['input'])['tested_size'][::-1]
image = Image.open('data/my_camera/val/0305.png').convert('RGB').resize(size)
pixels = np.asarray(image, np.float32).transpose(2, 0, 1)[None]
(logits,) = session.run(None, {'image': pixels})
labels = logits[0].argmax(axis=0)
for number in np.unique(labels):
    share = (labels == number).mean()
    print(f'{classes[number]:12}{share:6.1%}')

# %% [markdown]
# Class names, colours and normalisation are in the file;
# [export](../export.md) has a program of twenty lines that needs nothing else.
#
# ## What next
#
# - Nothing labelled of your camera? Leave `val_labels` away, and go on with
#   [which_checkpoint_without_labels](which_checkpoint_without_labels.ipynb).
# - More about folders, lists and classes: [own data](../own_data.md).
