# GTA5 -> Mapillary Vistas v1.2, seven classes, a setting of ESL (CVPRW 2020).
# ESL's code has its data set, but no config of it. The size of 1024x768 is
# that of DADA (ICCV 2019, configs_s2m), which has the same classes and fits
# images the same way: into the box, whose rest stays black.
_base_ = './gta2cs.py'
target_size = (1024, 768)
fit = dict(type='ResizeToFit', scale=target_size)
pad = dict(type='PadToSize', size=target_size)
pack = dict(
    type='PackDomainInputs',
    # padding_size: predictions (and pseudo-labels) leave the padding out
    meta_keys=(
        'key',
        'img_path',
        'ori_shape',
        'img_shape',
        'pad_shape',
        'padding_size',
        'scale_factor',
        'flip',
        'flip_direction',
    ),
)
# pseudo-labels are loaded between fit and pad
target_pipeline = [dict(type='LoadImage'), fit, pad, pack]
# Evaluated at the full size of each label, as in the code of ESL and DADA
# (scale_label=False). They pad the label with ignored pixels; here the
# prediction is cut, which judges the same pixels. MTAF (ICCV 2021) resizes
# labels to its inputs of 640x320 instead, says its author.
test_pipeline = [
    dict(type='LoadImage'),
    fit,
    pad,
    dict(type='LoadLabels'),
    pack,
]
source_dataset = dict(label_set='seven_class')
target_dataset = dict(
    type='MapillaryVistasDataset',
    data_root='data/Mapillary',
    data_prefix=dict(img_path='training/images'),
    label_set='seven_class',
    pipeline=target_pipeline,
)
train_dataloader = dict(
    dataset=dict(source=source_dataset, target=target_dataset)
)
val_dataloader = dict(
    dataset=dict(
        type='MapillaryVistasDataset',
        data_root='data/Mapillary',
        data_prefix=dict(
            img_path='validation/images', seg_map_path='validation/labels'
        ),
        label_set='seven_class',
        pipeline=test_pipeline,
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(prefix='mapillary')
test_evaluator = val_evaluator
