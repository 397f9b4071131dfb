# As advent_adversarial.py, also for the heads of each target (MTKT), and
# evaluated on every target.
_base_ = './advent_adversarial.py'
optim_wrapper = dict(
    segmentor=dict(
        paramwise_cfg=dict(custom_keys={'target_heads': dict(lr_mult=10.0)})
    )
)
val_cfg = dict(type='MultiTargetValLoop')
test_cfg = dict(type='MultiTargetTestLoop')
