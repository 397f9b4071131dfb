# As gta2cs.py on GTA5 images translated to the style of Cityscapes by CycleGAN
# (same file names in another folder). Published: 46.3 mIoU; the translated
# images were not released.
_base_ = './gta2cs.py'
train_dataloader = dict(
    dataset=dict(source=dict(data_prefix=dict(img_path='images_cyclegan')))
)
