# The data of MLCL with SegFormer and seven classes: images of 960x480, crops
# of 480x240.
_base_ = './seven_classes.py'
size = (960, 480)
crop_size = (240, 480)  # height, width
_sizes = dict(scale=size, crop_size=crop_size)


def larger(pipeline):
    """The same pipeline with larger images and crops."""
    return [
        dict(step, **{key: _sizes[key] for key in step if key in _sizes})
        for step in pipeline
    ]


def fit(dataset):
    """The same data set with larger images."""
    return dict(dataset, pipeline=larger(dataset.pipeline))


warm_up_pipeline = larger(_base_.warm_up_pipeline)
target_pipeline = larger(_base_.target_pipeline)
labelled = {name: fit(data) for name, data in _base_.labelled.items()}
unlabelled = {name: fit(data) for name, data in _base_.unlabelled.items()}
evaluated = {
    name: dict(loader, dataset=fit(loader.dataset))
    for name, loader in _base_.evaluated.items()
}
pseudo_labels = dict(pipeline=larger(_base_.pseudo_labels.pipeline))
