# First training of co-training, GTA5 + Synscapes -> BDD100K: the source alone,
# whose images tools/cotrain.py has given the target's colours.
_base_ = [
    '../_base_/models/cotraining_deeplabv3plus_r101.py',
    '../_base_/datasets/cotraining/gta_synscapes2bdd.py',
    '../_base_/schedules/cotraining_45k.py',
    '../_base_/default_runtime.py',
]
model = dict(type='SourceOnly')
train_dataloader = dict(
    dataset=dict(target=None, samples=dict(_delete_=True, source=4))
)
