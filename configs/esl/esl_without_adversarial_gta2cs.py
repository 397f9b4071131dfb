# As esl_gta2cs.py without the adversarial loss: source only, its labels by
# entropy, then cross entropy on both domains.
_base_ = ['../advent/source_only_gta2cs.py', '../_base_/pseudo_labels/esl.py']
self_training = dict(initial='../advent/source_only_gta2cs.py', rounds=1)
model = dict(type='SelfTraining', pseudo_label_weight=1.0)
pseudo_labels = dict(pipeline=_base_.target_pipeline)
target_pipeline = [
    dict(type='LoadImage'),
    dict(scale=_base_.target_size, **_base_.resize),
    dict(type='LoadPseudoLabels'),
    dict(type='PackDomainInputs'),
]
train_dataloader = dict(
    dataset=dict(
        target=dict(
            _delete_=True,
            **{**_base_.target_dataset, 'pipeline': target_pipeline},
        )
    )
)
