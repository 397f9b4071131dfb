# The last training of Co-Training (Sensors 2023): the source and pseudo-labels
# of all target images, nothing mixed.
method = dict(type='CoTraining')
