# All networks of CCL learn from each other from the start. That is our choice:
# the abstract says that they are trained at the same time.
_base_ = './default_runtime.py'
default_hooks = dict(
    consistency=dict(type='CollaborativeConsistencyHook', distillation_begin=0)
)
