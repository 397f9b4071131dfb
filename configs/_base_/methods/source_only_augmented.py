# Lower bound of methods that change colours and average weights: supervised
# training on source images under the same augmentation, and the average of the
# weights in testing. Without it their gain over the source alone looks larger
# than what they learn from target images.
_base_ = './source_only.py'
method = dict(
    augmentation=True,
    teacher=dict(momentum=0.999, buffers='ema'),
    predict_on='teacher',
)
