# MTKT's agnostic head learns from iteration 20,000 on.
_base_ = './default_runtime.py'
default_hooks = dict(
    consistency=dict(
        type='CollaborativeConsistencyHook', distillation_begin=20000
    )
)
