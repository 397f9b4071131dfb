# Copyright (c) mmuda authors.
"""Data sets as they are downloaded, and folders of your own data."""

from collections.abc import Mapping
from typing import Any, ClassVar

from mmuda.datasets.labels.land_cover import LOVEDA_TABLE
from mmuda.datasets.labels.named_ids import own_table
from mmuda.datasets.sets.domain_seg_dataset import DomainSegDataset
from mmuda.registry import DATASETS


class PublishedDataset(DomainSegDataset):
    """A data set whose layout and label ids are known.

    Args:
        data_prefix: See ``DomainSegDataset``.
        **kwargs: Passed to ``DomainSegDataset``, by default as in
            ``DEFAULTS``.
    """

    DEFAULTS: ClassVar[Mapping[str, Any]] = {}

    def __init__(
        self, data_prefix: Mapping[str, str | None], **kwargs
    ) -> None:
        options = {**self.DEFAULTS, **kwargs}
        if 'label_table' in options:
            default = self.DEFAULTS.get('label_table')
            table = own_table(options['label_table'], default, options)
            options['label_table'] = table
        super().__init__(data_prefix, **options)


@DATASETS.register_module()
class GTA5Dataset(PublishedDataset):
    """GTA5 (Richter et al., "Playing for Data", ECCV 2016).

    ``images/00001.png`` and palette PNGs ``labels/00001.png``. Labels hold
    Cityscapes ids, and 34 for license plates. Users report that the labels
    20801 to 20860 differ in size from their images: published training code
    resizes both and does not notice, which is
    ``LoadLabels(resize_mismatch=True)``; ``exclude`` leaves pairs out. Images
    15188 and 17705 are reported to be blank. Many translated sets have
    ``img_suffix='.jpg'``.
    """

    DEFAULTS = dict(
        label_table='gta5', img_suffix='.png', seg_map_suffix='.png'
    )


@DATASETS.register_module()
class SYNTHIADataset(PublishedDataset):
    """SYNTHIA-RAND-CITYSCAPES (Ros et al., CVPR 2016).

    ``RGB/0000000.png`` and 16-bit ``GT/LABELS/0000000.png``. The red channel
    of a label is the class, the green one the instance. Files that were
    reduced to one channel are read too.
    """

    DEFAULTS = dict(
        label_set='synthia16',
        label_table='synthia',
        label_channel=0,
        img_suffix='.png',
        seg_map_suffix='.png',
    )


@DATASETS.register_module()
class SynscapesDataset(PublishedDataset):
    """Synscapes (Wrenninge and Unger, arXiv:1810.08705).

    ``img/rgb-2k/1.png`` and ``img/class/1.png``. Labels hold Cityscapes ids
    in the size of ``img/rgb``, 1440x720. Images of ``img/rgb-2k`` are
    2048x1024, so they need ``LoadLabels(resize_mismatch=True)``.
    """

    DEFAULTS = dict(
        label_table='cityscapes', img_suffix='.png', seg_map_suffix='.png'
    )


@DATASETS.register_module()
class CityscapesLabelIdsDataset(PublishedDataset):
    """Cityscapes (Cordts et al., CVPR 2016), not converted.

    mmseg's ``CityscapesDataset`` wants ``_labelTrainIds.png`` files, which a
    script has to write first, and knows the 19 classes only.
    """

    DEFAULTS = dict(
        label_table='cityscapes',
        img_suffix='_leftImg8bit.png',
        seg_map_suffix='_gtFine_labelIds.png',
    )


@DATASETS.register_module()
class BDD100KDataset(PublishedDataset):
    """BDD100K (Yu et al., CVPR 2020), its 10k images with semantic labels.

    The official archives unpack to ``images/10k/<split>/*.jpg`` and
    ``labels/sem_seg/masks/<split>/*.png``; the older release has
    ``seg/images/<split>/*.jpg`` and ``seg/labels/<split>/*_train_id.png``,
    which needs ``seg_map_suffix='_train_id.png'``. Labels of both hold
    Cityscapes train ids and 255; ``sem_seg/colormaps`` and
    ``seg/color_labels`` hold colours.
    """

    DEFAULTS = dict(
        label_table='bdd100k', img_suffix='.jpg', seg_map_suffix='.png'
    )


@DATASETS.register_module()
class ACDCDataset(PublishedDataset):
    """ACDC (Sakaridis et al., ICCV 2021): fog, night, rain and snow.

    Read as published, ``rgb_anon/<condition>/<split>/<sequence>/`` and the
    same below ``gt``, by ``data_prefix=dict(img_path='rgb_anon/*/train',
    seg_map_path='gt/*/train')``. Keys are ``<condition>/<sequence>/<name>``,
    so that ``include=['night/*']`` is one condition. Labels hold Cityscapes
    train ids; those of the test split are not public. Reference images of
    fair weather are others: ``img_path='rgb_anon/*/train_ref'`` with
    ``img_suffix='_rgb_ref_anon.png'``.
    """

    DEFAULTS = dict(
        label_table='train_ids',
        img_suffix='_rgb_anon.png',
        seg_map_suffix='_gt_labelTrainIds.png',
    )


@DATASETS.register_module()
class DarkZurichDataset(PublishedDataset):
    """Dark Zurich (Sakaridis et al., ICCV 2019): day, twilight and night.

    ``rgb_anon/<split>/<time>/<sequence>/<name>_rgb_anon.png``, and labels of
    the 50 images of ``val/night`` below ``gt``, with Cityscapes train ids.
    Keys are ``<time>/<sequence>/<name>``: ``include=['night/*']`` is what
    methods adapt to. Reference images are in ``val_ref`` and ``test_ref``.
    """

    DEFAULTS = ACDCDataset.DEFAULTS


@DATASETS.register_module()
class UrbanSynDataset(PublishedDataset):
    """UrbanSyn (Gomez et al., Neurocomputing 2025), synthetic, 7,539 images.

    ``rgb/rgb_0001.png`` and ``ss/ss_0001.png`` of 2048x1024. Labels hold
    Cityscapes train ids, and 19 where there is no class; in one channel or
    in three that are alike.
    """

    DEFAULTS = dict(
        label_table='urbansyn',
        label_channel=0,
        img_prefix='rgb_',
        seg_map_prefix='ss_',
        img_suffix='.png',
        seg_map_suffix='.png',
    )


@DATASETS.register_module()
class CARLADataset(PublishedDataset):
    """CARLA images with labels of Cityscapes train ids.

    Labels as the simulator writes them are read by ``CARLATagsDataset``.
    The bottom sixth of each image shows the ego car, labelled 255: cut it off
    with ``CropFraction(bottom=1 / 6)``.
    """

    DEFAULTS = dict(label_set='carla_camvid10', label_table='train_ids')


@DATASETS.register_module()
class CamVidDataset(PublishedDataset):
    """CamVid (Brostow et al., 2009) with labels of Cityscapes train ids.

    The layout is that of ``CARLADataset``. Its files fold rider and bicycle
    into train id 18, which the ten shared classes ignore.
    """

    DEFAULTS = CARLADataset.DEFAULTS


@DATASETS.register_module()
class LoveDADataset(PublishedDataset):
    """LoveDA (Wang et al., NeurIPS 2021): towns and country from the air.

    Read as published, ``<split>/<Urban|Rural>/images_png/<number>.png`` of
    1024x1024 and ``masks_png`` beside it, where mmseg's data set of the same
    name needs a conversion that mixes both domains. Masks hold 1 to 7, and 0
    where the image has no data; the test split has none. With
    ``img_path='Val/*/images_png'`` and ``seg_map_path='Val/*/masks_png'`` a
    data set is of both domains, and keys are ``Urban/<number>``.
    """

    DEFAULTS = dict(
        label_set='loveda7',
        label_table=LOVEDA_TABLE,
        img_suffix='.png',
        seg_map_suffix='.png',
    )


@DATASETS.register_module()
class FolderDataset(DomainSegDataset):
    """Your own data: ``images/<key>.jpg``, ``labels/<key>.png``, a list.

    Nothing about the data is assumed: give the classes by ``label_set`` or by
    ``metainfo=dict(classes=..., palette=...)`` with ``label_set=None``, and
    ``label_table`` if label files do not hold the train ids. All arguments
    are those of ``DomainSegDataset``.
    """
