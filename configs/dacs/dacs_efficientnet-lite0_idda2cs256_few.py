# DACS as in dacs_efficientnet-lite0_idda2cs256.py, and 23 images of the target
# with labels, which are learned as those of the source (docs/own_data.md).
# Roots: --data-root source=DIR target=DIR
_base_ = './dacs_efficientnet-lite0_idda2cs256.py'
setting = 'idda2cs256_few'
