# Lower bound: supervised training on the source alone. Target images would
# adapt the batch-norm statistics.
target_images = None
method = dict(type='SourceOnly')
