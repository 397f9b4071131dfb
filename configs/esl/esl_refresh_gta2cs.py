# As esl_gta2cs.py, but in one run: AdvEnt alone first, then labels of the
# network itself every 20,000 iterations. Not published; see README.md.
_base_ = './esl_gta2cs.py'
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='PseudoLabelRefreshHook', begin=40000, interval=20000),
]
