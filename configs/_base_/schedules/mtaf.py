# As advent_adversarial.py, evaluated on every target.
_base_ = './advent_adversarial.py'
val_cfg = dict(type='MultiTargetValLoop')
test_cfg = dict(type='MultiTargetTestLoop')
