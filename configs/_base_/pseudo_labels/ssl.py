# The selection that ESL is compared with ("SSL", of BDL, CVPR 2019): keep
# p >= min(median of the class, 0.9), p the probability of the class.
pseudo_labels = dict(
    rule=dict(type='ConfidenceQuantile', quantile=0.5, cap=0.9),
    order='softmax_first',
)
