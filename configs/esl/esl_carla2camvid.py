# ESL (CVPRW 2020), CARLA -> CamVid (day), ten classes, with
# the small-data recipe of AdvEnt. Labels are made at the size of the image
# files, as training resizes at random.
# Roots: --data-root source=DIR target=DIR
_base_ = [
    '../_base_/networks/deeplabv2_r18_small.py',
    '../_base_/methods/esl.py',
    '../_base_/settings/carla2camvid.py',
    '../_base_/schedules/small_2000_adversarial.py',
    '../_base_/default_runtime.py',
]
setting = 'carla2camvid_day'
self_training = dict(initial='../advent/advent_carla2camvid.py', rounds=1)
model = dict(warmup_iters=800, discriminator=dict(base_channels=16))
pseudo_labels = dict(
    pipeline=_base_.label_pipeline,
    original_size=True,
    batch_size=8,
    # labels of the training images, to measure the pseudo-labels
    ground_truth='labels',
)
default_hooks = dict(checkpoint=dict(interval=500))
