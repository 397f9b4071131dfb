# As deeplabv2_r101.py with half the depth. There is no published ImageNet file
# for it: the weights start at random unless init_cfg names one.
_base_ = './deeplabv2_r101.py'
network = dict(segmentor=dict(backbone=dict(depth=50, init_cfg=None)))
