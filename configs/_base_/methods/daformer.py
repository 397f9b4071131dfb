# DAFormer (CVPR 2022): DACS with a slower teacher (0.999, the default), whose
# labels do not count in the upper 15 and the lower 120 rows of a crop, and
# with the distance to the features of ImageNet. Rare-class sampling is in the
# setting, the warm-up in the schedule.
method = dict(
    type='DACS',
    ignored_rows=dict(top=15, bottom=120),
    terms=[dict(type='FeatureDistance', weight=0.005)],
)
