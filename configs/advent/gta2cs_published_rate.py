# As gta2cs.py with the learning rates that the released code applied in
# effect; see published_rate.py. Use it to reproduce the published 43.8 mIoU.
_base_ = ['./gta2cs.py', '../_base_/schedules/published_rate.py']
optim_wrapper = dict(
    segmentor=dict(paramwise_cfg=dict(custom_keys=_base_.published_rate))
)
