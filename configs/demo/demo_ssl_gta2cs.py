# SSL for the demo: as demo_esl_gta2cs.py with the selection of ssl_gta2cs.py.
_base_ = './demo_esl_gta2cs.py'
pseudo_labels = dict(
    rule=dict(_delete_=True, type='ConfidenceQuantile', quantile=0.5, cap=0.9)
)
