# CARLA -> CamVid (day), ten classes, for a CPU: the small images and
# augmentation of ../carla2camvid.py, batches and pseudo-labels of the
# co-training procedure.
_base_ = '../carla2camvid.py'
class_mix_samples = dict(source=4, target=3)
final_samples = dict(source=1, target=3)
source_dataset = _base_.train_dataloader.dataset.source
target_pipeline = [
    dict(type='LoadImage'),
    # of the size of the image files, as images are resized at random
    dict(type='LoadPseudoLabels'),
    dict(
        type='RandomResize',
        scale=(200, 150),
        ratio_range=(1.0, 1.5),
        keep_ratio=True,
    ),
    *_base_.augmentation,
]
target_dataset = dict(
    _base_.train_dataloader.dataset.target, pipeline=target_pipeline
)
train_dataloader = dict(
    batch_size=1,
    dataset=dict(target=target_dataset, samples=class_mix_samples),
)
pseudo_labels = dict(
    rule=dict(type='ClassBalancedPortion', portion=0.5, low=0.5, high=0.9),
    pipeline=[
        dict(type='LoadImage'),
        dict(type='Resize', scale=(200, 150), keep_ratio=False),
        dict(type='PackDomainInputs'),
    ],
    order='upsample_first',
    original_size=True,
    batch_size=8,
    # labels of the training images, to measure the pseudo-labels
    ground_truth='labels',
)
