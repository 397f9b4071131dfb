# As mtaf.py, with experts optimised like the student.
_base_ = './mtaf.py'
optim_wrapper = dict(expert=_base_.optim_wrapper.segmentor)
