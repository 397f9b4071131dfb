# The learning rates that ADVENT's released code really applied. Its optimizer
# listed each backbone tensor three times and those of the shortcuts four times
# (the stem once), so that one iteration took three or four SGD steps with one
# gradient. Here each tensor is optimised once, at three or four times the
# rate. The momentum's shorter memory and the higher weight decay are not
# imitated. Use it on top of any DeepLab-V2 ResNet config:
#   _base_ = ['./gta2cs.py', '../_base_/schedules/published_rate.py']
#   optim_wrapper = dict(
#       segmentor=dict(paramwise_cfg=dict(custom_keys=_base_.published_rate)))
published_rate = {
    # of two keys that a name contains the longer one wins
    'backbone.layer': dict(lr_mult=3.0),
    'backbone.layer1.0.downsample': dict(lr_mult=4.0),
    'backbone.layer2.0.downsample': dict(lr_mult=4.0),
    'backbone.layer3.0.downsample': dict(lr_mult=4.0),
    'backbone.layer4.0.downsample': dict(lr_mult=4.0),
}
