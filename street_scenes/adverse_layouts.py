# Copyright (c) mmuda authors.
"""Where data sets of bad weather and darkness keep which file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from street_scenes.encoders import (
    Encoder,
    encode_image,
    encode_label_ids,
    encode_train_ids,
)
from street_scenes.scene_layout import SceneLayout
from street_scenes.street_domains import Domain
from street_scenes.weather import in_weather


@dataclass(frozen=True)
class ACDCLayout(SceneLayout):
    """``rgb_anon/<condition>/<split>`` and ``gt``, a folder a sequence.

    Conditions take turns, and each has sequences of its own.

    Attributes:
        with_train_labels: Whether the train split has labels.
    """

    with_train_labels: bool = False

    name: ClassVar[str] = 'ACDC'
    domain: ClassVar[str] = 'cityscapes'
    size: ClassVar[tuple[int, int]] = (320, 180)
    splits: ClassVar[tuple[str, ...]] = ('train', 'val')
    conditions: ClassVar[tuple[str, ...]] = ('fog', 'night', 'rain', 'snow')
    sequences: ClassVar[Mapping[str, tuple[str, ...]]] = {
        'train': ('GOPR01{}2', 'GOPR04{}5'),
        'val': ('GOPR03{}6',),
    }

    def files(self, split: str, number: int) -> Mapping[str, Encoder]:
        """Return the image and, if the split has them, the labels."""
        place, turn = divmod(number, len(self.conditions))
        sequences = self.sequences[split]
        frame, at = divmod(place, len(sequences))
        sequence = sequences[at].format(turn)
        stem = f'{self.conditions[turn]}/{split}/{sequence}/'
        stem += f'{sequence}_frame_{frame + 1:06d}'
        files = {f'rgb_anon/{stem}_rgb_anon.png': encode_image}
        if split != 'train' or self.with_train_labels:
            files[f'gt/{stem}_gt_labelTrainIds.png'] = encode_train_ids
            files[f'gt/{stem}_gt_labelIds.png'] = encode_label_ids
        return files

    def domain_of(self, split: str, number: int, domain: Domain) -> Domain:
        """Return the domain in the condition whose turn it is."""
        turn = number % len(self.conditions)
        return in_weather(domain, self.conditions[turn])


@dataclass(frozen=True)
class DarkZurichLayout(SceneLayout):
    """``rgb_anon/<split>/<time>``, and ``gt`` of the validation, at night."""

    name: ClassVar[str] = 'DarkZurich'
    domain: ClassVar[str] = 'cityscapes'
    size: ClassVar[tuple[int, int]] = (320, 180)
    splits: ClassVar[tuple[str, ...]] = ('train', 'val')
    # Most images of the real set are of the day.
    times: ClassVar[Mapping[str, tuple[str, ...]]] = {
        'train': ('night', 'day', 'night', 'twilight'),
        'val': ('night',),
    }
    sequences: ClassVar[Mapping[str, str]] = {
        'train': 'GOPR0351',
        'val': 'GOPR0356',
    }

    def files(self, split: str, number: int) -> Mapping[str, Encoder]:
        """Return the image and, of the validation, the label."""
        time, sequence = self._time(split, number), self.sequences[split]
        stem = f'{split}/{time}/{sequence}/{sequence}_frame_{number + 1:06d}'
        files = {f'rgb_anon/{stem}_rgb_anon.png': encode_image}
        if split == 'val':
            files[f'gt/{stem}_gt_labelTrainIds.png'] = encode_train_ids
        return files

    def domain_of(self, split: str, number: int, domain: Domain) -> Domain:
        """Return the domain at the time whose turn it is."""
        return in_weather(domain, self._time(split, number))

    def _time(self, split: str, number: int) -> str:
        times = self.times[split]
        return times[number % len(times)]
