# ESL (CVPRW 2020), SYNTHIA -> Cityscapes, 16 classes; see
# esl_gta2cs.py.
_base_ = [
    '../advent/advent_synthia2cs.py',
    '../_base_/pseudo_labels/esl.py',
]
self_training = dict(initial='../advent/advent_synthia2cs.py', rounds=1)
model = dict(terms=[dict(type='PseudoLabels', weight=1.0)])
pseudo_labels = dict(pipeline=_base_.target_pipeline)
target_pipeline = [
    dict(type='LoadImage'),
    dict(scale=_base_.target_size, **_base_.resize),
    dict(type='LoadPseudoLabels'),
    dict(type='PackDomainInputs'),
]
train_dataloader = dict(dataset=dict(target=dict(pipeline=target_pipeline)))
