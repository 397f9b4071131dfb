# As advent.py, without discriminators, evaluated on every target.
_base_ = './advent.py'
val_cfg = dict(type='MultiTargetValLoop')
test_cfg = dict(type='MultiTargetTestLoop')
