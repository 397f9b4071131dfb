# DACS on generated streets as in demo_dacs_efficientnet-lite0_gta2cs.py, and
# 8 images of the target with labels, which --with-train-labels writes.
_base_ = './demo_dacs_efficientnet-lite0_gta2cs.py'
setting = 'streets_few_rare'
