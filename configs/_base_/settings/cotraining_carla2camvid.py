# CARLA -> CamVid (day), ten classes, for a CPU: the small images and
# augmentation of carla2camvid.py, batches and pseudo-labels of the co-training
# procedure.
_base_ = './carla2camvid.py'
protocol = dict(
    alone=dict(images_pipeline=_base_.protocol.alone.pseudo_labelled_pipeline)
)
train_dataloader = dict(
    batch_size=1, dataset=dict(samples=dict(source=4, target=3))
)
pseudo_labels = dict(
    rule=dict(type='ClassBalancedPortion', portion=0.5, low=0.5, high=0.9),
    pipeline=_base_.label_pipeline,
    order='upsample_first',
    original_size=True,
    batch_size=8,
    # labels of the training images, to measure the pseudo-labels
    ground_truth='labels',
)
