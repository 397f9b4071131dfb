# SSL, as esl_efficientnet-lite0_idda2cs256.py with the selection that ESL is
# compared with (BDL, CVPR 2019): keep p >= min(median of the class, 0.9), p
# the probability of the class.
_base_ = './esl_efficientnet-lite0_idda2cs256.py'
pseudo_labels = dict(
    rule=dict(_delete_=True, type='ConfidenceQuantile', quantile=0.5, cap=0.9)
)
