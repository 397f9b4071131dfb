# DACS on generated streets as in demo_dacs_efficientnet-lite0_gta2cs.py, and
# 8 images of the target with labels, which `mmuda streets --with-train-labels`
# writes: into a folder of their own (--data-root), as those of the quick start
# have none. From source only, too: --load-from CHECKPOINT.
_base_ = './demo_dacs_efficientnet-lite0_gta2cs.py'
setting = 'streets_few_rare'
