# HRDA (ECCV 2022) trains its network by DAFormer's method. Where the teacher's
# labels do not count is said in the setting, in pixels of whole images.
_base_ = './daformer.py'
method = dict(ignored_rows=None)
