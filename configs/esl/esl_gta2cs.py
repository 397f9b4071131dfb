# ESL (CVPRW 2020), GTA5 -> Cityscapes: AdvEnt, trained again from
# ImageNet weights with cross entropy on pseudo-labels of the first AdvEnt.
# Weights as on the source: 1 and, for the auxiliary head, 0.1 (released code).
# The whole recipe: tools/self_train.py with this file.
_base_ = ['../advent/gta2cs.py', '../_base_/pseudo_labels/esl.py']
self_training = dict(initial='../advent/gta2cs.py', rounds=1)
model = dict(terms=[dict(type='PseudoLabels', weight=1.0)])
pseudo_labels = dict(pipeline=_base_.target_pipeline)
target_pipeline = [
    dict(type='LoadImage'),
    dict(scale=_base_.target_size, **_base_.resize),
    dict(type='LoadPseudoLabels'),
    dict(type='PackDomainInputs'),
]
train_dataloader = dict(dataset=dict(target=dict(pipeline=target_pipeline)))
