# The data of MTAF with nineteen classes and images of 1024x512. MTAF is
# published with seven classes only; the size is that of CoaST and MLCL.
_base_ = './seven_classes.py'
label_set = 'cityscapes19'
num_classes = 19
size = (1024, 512)
_sizes = dict(scale=size, size=size)


def larger(dataset):
    """The same data set with nineteen classes and larger images."""
    pipeline = [
        dict(step, **{key: _sizes[key] for key in step if key in _sizes})
        for step in dataset.pipeline
    ]
    return dict(dataset, label_set=label_set, pipeline=pipeline)


labelled = {name: larger(data) for name, data in _base_.labelled.items()}
unlabelled = {name: larger(data) for name, data in _base_.unlabelled.items()}
evaluated = {
    name: dict(loader, dataset=larger(loader.dataset))
    for name, loader in _base_.evaluated.items()
}
metrics = dict(idd=dict(subsets=dict(mIoU18=_base_.without_train)))
