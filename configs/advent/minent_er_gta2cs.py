# MinEnt with entropy ranges: only the 30 % of each target image's pixels with
# the highest entropy count (ADVENT, section 3.1). Published: 43.1 mIoU. The
# authors' code does not contain this variant.
_base_ = './minent_gta2cs.py'
model = dict(top_fraction=0.3)
