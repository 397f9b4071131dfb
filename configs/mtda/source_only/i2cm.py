# Lower bound: IDD alone, evaluated on Cityscapes, Mapillary Vistas; seven
# classes, data and schedule of MTAF (ICCV 2021).
_base_ = [
    '../../_base_/models/deeplabv2_r101.py',
    '../../_base_/datasets/mtaf/i2cm.py',
    '../../_base_/schedules/mtaf_source_only.py',
    '../../_base_/default_runtime.py',
]
model = dict(
    type='SourceOnly',
    segmentor=dict(
        decode_head=dict(num_classes=_base_.num_classes),
        auxiliary_head=dict(num_classes=_base_.num_classes),
    ),
)
train_dataloader = dict(dataset=dict(targets=None))
