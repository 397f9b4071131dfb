# Stage 1 of CoaST and MLCL: labels of the warm-up, then new ones every 10,000
# iterations. Each target's own head makes them.
_base_ = './default_runtime.py'
default_hooks = dict(
    consistency=dict(
        type='CollaborativeConsistencyHook',
        refresh=dict(begin=0, interval=10000, end=50000, keep_rounds=1),
    )
)
