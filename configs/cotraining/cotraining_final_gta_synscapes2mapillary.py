# Last training of co-training, GTA5 + Synscapes -> Mapillary Vistas: the
# source and pseudo-labels of all target images, nothing mixed.
_base_ = [
    '../_base_/models/cotraining_deeplabv3plus_r101.py',
    '../_base_/datasets/cotraining/gta_synscapes2mapillary.py',
    '../_base_/schedules/cotraining.py',
    '../_base_/default_runtime.py',
]
model = dict(type='CoTraining')
train_dataloader = dict(dataset=dict(samples=_base_.final_samples))
