# MinEnt with entropy ranges (top 30 % of the pixels), SYNTHIA -> Cityscapes.
# No result of this single model is published.
_base_ = './minent_synthia2cs.py'
model = dict(top_fraction=0.3)
