# SSL for the demo: as esl_gta2cs.py with the selection of ssl_gta2cs.py.
_base_ = './esl_gta2cs.py'
pseudo_labels = dict(
    rule=dict(_delete_=True, type='ConfidenceQuantile', quantile=0.5, cap=0.9)
)
