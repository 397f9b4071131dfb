# The data of dacs.py, the source by rare-class sampling: a class is drawn,
# rare ones more often, then one of the images with more than 3,000 pixels of
# it (at the size of the files), and a crop with more than half as many.
_base_ = './dacs.py'
_sampling = dict(
    type='RareClassSampling',
    temperature=0.01,
    min_pixels=3000,
    crop_pixels=1500,
)
protocol = dict(
    default=dict(sampling=_sampling),
    synthia=dict(sampling=_sampling),
    land_cover=dict(sampling=_sampling),
)
