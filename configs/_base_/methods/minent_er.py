# MinEnt with entropy ranges: only the 30 % of each target image's pixels with
# the highest entropy count (ADVENT, section 3.1). The authors' code does not
# contain this variant.
_base_ = './minent.py'
method = dict(top_fraction=0.3)
