# Optimisation of MIC on entropy minimisation (released configuration): SGD
# 2.5e-3 for the whole segmentor, with warm-up and decay of daformer.py.
_base_ = './daformer.py'
optim_wrapper = dict(
    segmentor=dict(
        optimizer=dict(
            _delete_=True,
            type='SGD',
            lr=2.5e-3,
            momentum=0.9,
            weight_decay=5e-4,
        ),
        paramwise_cfg=None,
    )
)
