# Source of which_checkpoint_without_labels.ipynb; tools/misc/run_tutorials.py
# makes it.
# %% [markdown]
# # Which checkpoint, without labels of the target?
#
# You have trained twice with different settings, each run has left several
# checkpoints, and nobody has labelled an image of your target. Which one do
# you take, and is any of them better than the network that has never seen the
# target?
#
# This notebook trains one run that is sound and one that is ruined on purpose,
# chooses without labels, and only then looks at the labels, to see how good
# the choice was. Read [first_adaptation](first_adaptation.ipynb) before; it
# needs the same installation and about ten minutes.

# %% language="bash"
# mmuda streets data/demo --layouts gta5 cityscapes \
#     --source-images 200 --train-images 200 --val-images 40

# %% [markdown]
# ## 1. Three trainings
#
# *Source only* comes first, as always:

# %% language="bash"
# mmuda train demo_source_only_efficientnet-lite0_gta2cs --amp \
#     --work-dir work_dirs/source_only --cfg-options \
#     train_cfg.max_iters=80 train_cfg.val_interval=80 2>&1 | tail -n 4

# %% [markdown]
# The drawn target has 40 labelled images, and the trainings measure with them.
# We hide what they print (`tail`) and look at it in part 4; nothing before
# uses it. Where there are no labels, trainings go the same way and say that
# nothing is evaluated.
#
# The method is *MinEnt*. It makes the network sure of itself on the target:
# the loss is the entropy of its predictions there, times a small weight.
# `my_minent.py` is a config of our own, which inherits from one of mmuda and
# says what differs:

# %%
from pathlib import Path

CONFIG = """\
_base_ = 'mmuda::advent/minent_efficientnet-lite0_idda2cs256.py'
setting = 'streets'
model = dict(warmup_iters=0)
train_cfg = dict(max_iters=60, val_interval=30)
# a checkpoint every 30 iterations, and all of them are kept
default_hooks = dict(checkpoint=dict(interval=30, max_keep_ckpts=-1))
"""
written = Path('my_minent.py').write_text(CONFIG)

# %% language="bash"
# mmuda train my_minent.py --amp --work-dir work_dirs/sound \
#     --load-from work_dirs/source_only/iter_80.pth 2>&1 | tail -n 4

# %% [markdown]
# The same with a weight that is three hundred times as large, as a slip of the
# hand would make it:

# %% language="bash"
# mmuda train my_minent.py --amp --work-dir work_dirs/ruined \
#     --load-from work_dirs/source_only/iter_80.pth \
#     --cfg-options model.entropy_weights.decode=3.0 2>&1 | tail -n 4

# %% [markdown]
# ## 2. Choose
#
# `mmuda select` shows the images of the target, without labels, to all
# checkpoints, and some labelled images of the source:

# %% language="bash"
# mmuda select my_minent.py work_dirs/source_only/iter_80.pth \
#     work_dirs/sound/iter_30.pth work_dirs/sound/iter_60.pth \
#     work_dirs/ruined/iter_30.pth work_dirs/ruined/iter_60.pth \
#     --max-images 40 --max-source-images 40 --out scores.json 2> progress.txt

# %% [markdown]
# What to look at:
#
# - the first table makes the order: the mean of the ranks by `BNM`, which
#   counts twice, and `ATC_mIoU`, whom other things fool. What each means is in
#   [validation without labels](../label_free_validation.md#the-scores);
# - `source_mIoU` is the guard. Who has forgotten the source (more than a tenth
#   below the best) stands behind all others, whatever the other scores say;
# - in the run that you see source only stands behind, too. It has forgotten
#   nothing: it has trained for 60 iterations less and has not learned the
#   source as far. The guard can't tell, so compare checkpoints of trainings
#   that are about as long;
# - `certainty` is one minus the mean entropy. It is in the second table, as it
#   has no vote.
#
# Why has it none? Entropy is what MinEnt minimises, so it is low whatever the
# training is worth. Who goes by entropy alone takes this one:

# %%
import json

scores = json.loads(Path('scores.json').read_text())
certainty = {
    checkpoint['name']: checkpoint['scores']['certainty']
    for checkpoint in scores['checkpoints']
}
for name in sorted(certainty, key=certainty.get, reverse=True):
    print(f'{name:24} certainty {certainty[name]:.3f}')
by_entropy = max(certainty, key=certainty.get)
print('\nby entropy alone: ', by_entropy)
print('by mmuda select:  ', scores['best'])

# %% [markdown]
# ## 3. Has adaptation done harm?
#
# `harm-report` compares one checkpoint with source only. First the sound run:

# %% language="bash"
# mmuda harm-report my_minent.py work_dirs/sound/iter_60.pth \
#     --source-only work_dirs/source_only/iter_80.pth \
#     --max-images 40 --max-source-images 40 2> progress.txt \
#     || echo "exit status: $?"

# %% [markdown]
# Then the ruined one:

# %% language="bash"
# mmuda harm-report my_minent.py work_dirs/ruined/iter_60.pth \
#     --source-only work_dirs/source_only/iter_80.pth \
#     --max-images 40 --max-source-images 40 2> progress.txt \
#     || echo "exit status: $?"

# %% [markdown]
# Each line says what is wrong, with classes and numbers: here what is lost and
# what has taken its place
# ([all alarms](../label_free_validation.md#has-adaptation-done-harm)). Two
# alarms make the verdict and the exit status 3, by which a script can stop.

# %% [markdown]
# ## 4. Now the labels
#
# In real life you would not be here; it is the check of what was chosen above.
# The log of each training has the mIoU of its checkpoints.

# %%
from mmuda.reports.run_history import read_history

measured = {}
for name in certainty:
    run, iteration = name.removesuffix('.pth').split('/iter_')
    log = read_history(Path('work_dirs', run))
    iterations, values = log.validation['cityscapes/mIoU']
    measured[name] = values[iterations == int(iteration)].item()
for name in sorted(measured, key=measured.get, reverse=True):
    print(f'{name:24} mIoU {measured[name]:.1f}')
best = max(measured.values())
for who, name in ('entropy', by_entropy), ('mmuda select', scores['best']):
    lost = best - measured[name]
    print(f'\n{who} chose {name}, {lost:.1f} points below the best.')

# %% [markdown]
# ## What to take home
#
# - A single number that the training itself pushes, such as entropy, tells
#   nothing about the training.
# - Several referees, of which some see what the training could not see
#   (labelled source images, a second view of each image, the other
#   checkpoints), can be trusted further, and still not blindly: on other data
#   the order of good checkpoints, which differ by a point or two, is often
#   wrong. [Validation without labels](../label_free_validation.md) says what
#   is known.
# - What the sound run has gained is not all adaptation: source only would have
#   gained by training on, as [first_adaptation](first_adaptation.ipynb) shows.
# - The real use of the referees is to keep you from the ruined ones.
# - A few labelled images of the target, where you have them, measure what the
#   referees guess.
