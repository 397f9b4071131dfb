# Upper bound for the demo: the target with its labels as the source, trained
# as source-only.
_base_ = './demo_source_only_gta2cs.py'
setting = 'cs'
train_dataloader = dict(
    dataset=dict(
        source=dict(
            data_root=_base_.demo_target.data_root,
            pipeline=[
                dict(type='LoadImage'),
                dict(type='LoadLabels'),
                _base_.demo_target.pipeline[1],
                dict(type='RandomFlip', prob=0.5),
                dict(type='PackDomainInputs'),
            ],
        )
    )
)
