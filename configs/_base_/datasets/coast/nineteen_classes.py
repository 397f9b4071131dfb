# The data of CoaST and MLCL with nineteen classes: images of 1024x512, crops
# of 512x256.
_base_ = './seven_classes.py'
label_set = 'cityscapes19'
num_classes = 19
size = (1024, 512)
crop_size = (256, 512)  # height, width
_sizes = dict(scale=size, crop_size=crop_size)


def larger(pipeline):
    """The same pipeline with larger images and crops."""
    return [
        dict(step, **{key: _sizes[key] for key in step if key in _sizes})
        for step in pipeline
    ]


def fit(dataset):
    """The same data set with nineteen classes and larger images."""
    pipeline = larger(dataset.pipeline)
    return dict(dataset, label_set=label_set, pipeline=pipeline)


warm_up_pipeline = larger(_base_.warm_up_pipeline)
target_pipeline = larger(_base_.target_pipeline)
labelled = {name: fit(data) for name, data in _base_.labelled.items()}
unlabelled = {name: fit(data) for name, data in _base_.unlabelled.items()}
evaluated = {
    name: dict(loader, dataset=fit(loader.dataset))
    for name, loader in _base_.evaluated.items()
}
metrics = dict(idd=dict(subsets=dict(mIoU18=_base_.without_train)))
pseudo_labels = dict(pipeline=larger(_base_.pseudo_labels.pipeline))
