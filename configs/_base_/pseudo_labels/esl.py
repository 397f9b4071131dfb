# Selection of ESL (CVPRW 2020): keep E <= max(median of the class, 0.1), E the
# entropy divided by ln C; softmax at the network's resolution, then bilinear
# (released code and configuration).
pseudo_labels = dict(
    rule=dict(type='EntropyQuantile', quantile=0.5, floor=0.1),
    order='softmax_first',
)
