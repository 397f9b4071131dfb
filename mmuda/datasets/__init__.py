# Copyright (c) mmuda authors.
"""Data sets, transforms and samplers of unsupervised domain adaptation."""

# mmseg's registries are parents of ours, which only find what was imported.
import mmseg.datasets  # noqa: F401

from mmuda.datasets.data_checks import (
    check_dataset,
    describe_domains,
    examine_dataset,
    scan_dataset,
)
from mmuda.datasets.domain_dataset import (
    DomainDataset,
    DomainIndex,
    domain_collate,
)
from mmuda.datasets.pseudo_labels.pseudo_label_store import (
    PseudoLabelManifest,
    check_pseudo_labels,
)
from mmuda.datasets.rare_class_sampling import RareClassSampling
from mmuda.datasets.samplers import DomainInfiniteSampler
from mmuda.datasets.sets.carla import CARLATagsDataset
from mmuda.datasets.sets.domain_seg_dataset import DomainSegDataset
from mmuda.datasets.sets.idd import IDDDataset
from mmuda.datasets.sets.known_sets import (
    ACDCDataset,
    BDD100KDataset,
    CamVidDataset,
    CARLADataset,
    CityscapesLabelIdsDataset,
    DarkZurichDataset,
    FolderDataset,
    GTA5Dataset,
    LoveDADataset,
    SynscapesDataset,
    SYNTHIADataset,
    UrbanSynDataset,
)
from mmuda.datasets.sets.mapillary import MapillaryVistasDataset
from mmuda.datasets.sets.path_list import PathListDataset
from mmuda.datasets.transforms.color_jitter import ColorJitter
from mmuda.datasets.transforms.fitting import PadToSize, ResizeToFit
from mmuda.datasets.transforms.formatting import (
    CropFraction,
    EvaluateAtInputSize,
    KeepWeakImage,
    PackDomainInputs,
    PseudoLabelMargins,
)
from mmuda.datasets.transforms.image_loading import LoadImage, LoadLabels
from mmuda.datasets.transforms.lab_transform import LabTranslation
from mmuda.datasets.transforms.pseudo_label_loading import (
    LoadPseudoLabels,
    LoadSoftPseudoLabels,
)
from mmuda.datasets.transforms.resizing import Resize
from mmuda.datasets.transforms.strong_augmentation import (
    Cutout,
    StrongAugmentation,
)

__all__ = [
    'ACDCDataset',
    'BDD100KDataset',
    'CARLADataset',
    'CARLATagsDataset',
    'CamVidDataset',
    'CityscapesLabelIdsDataset',
    'ColorJitter',
    'CropFraction',
    'Cutout',
    'DarkZurichDataset',
    'DomainDataset',
    'DomainIndex',
    'DomainInfiniteSampler',
    'DomainSegDataset',
    'EvaluateAtInputSize',
    'FolderDataset',
    'GTA5Dataset',
    'IDDDataset',
    'LabTranslation',
    'LoadImage',
    'LoadLabels',
    'LoadPseudoLabels',
    'LoadSoftPseudoLabels',
    'LoveDADataset',
    'MapillaryVistasDataset',
    'KeepWeakImage',
    'PackDomainInputs',
    'PadToSize',
    'PathListDataset',
    'Resize',
    'ResizeToFit',
    'PseudoLabelManifest',
    'PseudoLabelMargins',
    'RareClassSampling',
    'SYNTHIADataset',
    'StrongAugmentation',
    'SynscapesDataset',
    'UrbanSynDataset',
    'check_dataset',
    'check_pseudo_labels',
    'describe_domains',
    'domain_collate',
    'examine_dataset',
    'scan_dataset',
]
