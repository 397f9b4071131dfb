# IDDA -> Cityscapes at 256x256, for a CPU: images and augmentation of
# idda2cs256.py, batches and pseudo-labels of the co-training procedure.
_base_ = './idda2cs256.py'
# in all settings that can be chosen
protocol = {
    name: dict(images_pipeline=variant.pseudo_labelled_pipeline)
    for name, variant in _base_.protocol.items()
    if 'pseudo_labelled_pipeline' in variant
}
train_dataloader = dict(
    batch_size=1, dataset=dict(samples=dict(source=4, target=3))
)
pseudo_labels = dict(
    rule=dict(type='ClassBalancedPortion', portion=0.5, low=0.5, high=0.9),
    order='upsample_first',
)
