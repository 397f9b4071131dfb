# CARLA -> CamVid by day and at dusk, ten classes, the recipe of
# ../carla2camvid.py. CamVid has no validation sequence at dusk: the last 18 of
# the training images serve for it, and target training leaves them out.
_base_ = '../carla2camvid.py'
targets = ['day', 'dusk']
num_classes = 10
_train = dict(day=['train/*'], dusk=['train/0001TP_006*', 'train/0001TP_007*'])
_val = dict(day=['val/*'], dusk=['train/0001TP_008*'])
_loader = _base_.val_dataloader
unlabelled = {
    name: dict(
        _base_.train_dataloader.dataset.target,
        ann_file=f'{name}.txt',
        include=_train[name],
    )
    for name in targets
}
evaluated = {
    name: dict(
        _loader,
        dataset=dict(
            _loader.dataset, ann_file=f'{name}.txt', include=_val[name]
        ),
    )
    for name in targets
}
tested = {
    name: dict(loader, dataset=dict(loader['dataset'], include=['test/*']))
    for name, loader in evaluated.items()
}
metrics = {
    name: dict(type='DomainIoUMetric', iou_metrics=['mIoU'], prefix=name)
    for name in targets
}
train_dataloader = dict(dataset=dict(target=None, targets=unlabelled))
val_dataloader = [evaluated[name] for name in targets]
test_dataloader = [tested[name] for name in targets]
val_evaluator = test_evaluator = [metrics[name] for name in targets]
