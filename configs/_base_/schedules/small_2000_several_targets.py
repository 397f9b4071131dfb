# As small_2000_adversarial.py, evaluated on every target.
_base_ = './small_2000_adversarial.py'
val_cfg = dict(type='MultiTargetValLoop')
test_cfg = dict(type='MultiTargetTestLoop')
