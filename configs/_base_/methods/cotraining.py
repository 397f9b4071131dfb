# Co-Training (Sensors 2023): the training of a cycle, and the procedure as its
# released configs have it, but for what a setting changes; see
# configs/cotraining/README.md.
method = dict(type='CoTraining', class_mix=dict(classes='demand'))
cotraining = dict(
    self_training=dict(
        cycles=10,
        sample=500,
        keep=100,
        portion=0.5,
        low=0.5,
        high=0.9,
        relabel=4,
    ),
    collaboration=dict(
        cycles=5,
        sample=500,
        keep=100,
        portion=0.5,
        low=0.5,
        high=0.95,
        relabel=4,
        min_pixels=5000,
        control=0.2,
    ),
)
