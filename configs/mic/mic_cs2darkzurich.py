# MIC on HRDA, Cityscapes -> Dark Zurich. Published: 60.2 mIoU on the test
# server.
_base_ = [
    '../_base_/networks/hrda_mit-b5.py',
    '../_base_/methods/mic.py',
    '../_base_/settings/hrda.py',
    '../_base_/schedules/daformer.py',
    '../_base_/default_runtime.py',
]
setting = 'cs2darkzurich'
