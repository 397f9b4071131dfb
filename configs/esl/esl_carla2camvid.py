# ESL (CVPRW 2020), CARLA -> CamVid (day), ten classes, with
# the small-data recipe of AdvEnt. Labels are made at the size of the image
# files, as training resizes at random.
# Roots: --data-root source=DIR target=DIR
_base_ = [
    '../advent/advent_carla2camvid.py',
    '../_base_/pseudo_labels/esl.py',
]
self_training = dict(initial='../advent/advent_carla2camvid.py', rounds=1)
model = dict(terms=[dict(type='PseudoLabels', weight=1.0)])
pseudo_labels = dict(
    pipeline=[
        dict(type='LoadImage'),
        dict(type='Resize', scale=(200, 150), keep_ratio=False),
        dict(type='PackDomainInputs'),
    ],
    original_size=True,
    batch_size=8,
    # labels of the training images, to measure the pseudo-labels
    ground_truth='labels',
)
target_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadPseudoLabels'),
    dict(
        type='RandomResize',
        scale=(200, 150),
        ratio_range=(1.0, 1.5),
        keep_ratio=True,
    ),
    *_base_.augmentation,
]
train_dataloader = dict(dataset=dict(target=dict(pipeline=target_pipeline)))
