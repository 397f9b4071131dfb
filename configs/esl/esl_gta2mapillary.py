# ESL (CVPRW 2020), GTA5 -> Mapillary Vistas, seven classes; see
# esl_gta2cs.py. Labels have the size of the image without its padding, so they
# are loaded between the two.
_base_ = [
    '../advent/advent_gta2mapillary.py',
    '../_base_/pseudo_labels/esl.py',
]
self_training = dict(initial='../advent/advent_gta2mapillary.py', rounds=1)
model = dict(terms=[dict(type='PseudoLabels', weight=1.0)])
pseudo_labels = dict(pipeline=_base_.target_pipeline)
target_pipeline = [
    dict(type='LoadImage'),
    _base_.fit,
    dict(type='LoadPseudoLabels'),
    _base_.pad,
    _base_.pack,
]
train_dataloader = dict(dataset=dict(target=dict(pipeline=target_pipeline)))
