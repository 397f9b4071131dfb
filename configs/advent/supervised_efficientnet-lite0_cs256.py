# Upper bound of methods on a small network with weights of ImageNet:
# Cityscapes at 256x256 with its labels, trained as the lower bound. Root:
# --data-root source=DIR, also of the images that it is tested on
_base_ = './source_only_efficientnet-lite0_idda2cs256.py'
setting = 'cs256'
