# ESL (CVPRW 2020): AdvEnt, trained again from ImageNet weights with cross
# entropy on pseudo-labels of a first AdvEnt. Weights as on the source: 1 and,
# for the auxiliary head, 0.1 (released code). Its selection: keep
# E <= max(median of the class, 0.1), E the entropy divided by ln C; softmax at
# the network's resolution, then bilinear (released code and configuration).
_base_ = './advent.py'
target_images = 'pseudo_labelled'  # pipeline of the setting's protocol
method = dict(terms=[dict(type='PseudoLabels', weight=1.0)])
pseudo_labels = dict(
    rule=dict(type='EntropyQuantile', quantile=0.5, floor=0.1),
    order='softmax_first',
)
