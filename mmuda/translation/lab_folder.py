# Copyright (c) mmuda authors.
"""A folder of translated images: whose it is, and whether it is finished."""

import csv
import io
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmuda.utils.errors import DataError
from mmuda.utils.files import atomic_write
from mmuda.utils.json_files import read_json, read_plain_file

PAIRS = 'pairs.csv'
IMAGES = 'images.txt'
SETTINGS = 'settings.json'
FINISHED = 'translation.json'
UNFINISHED = '.unfinished'
_MEND = 'choose another folder, or --overwrite it'


@dataclass(frozen=True)
class TranslationFolder:
    """Where translated images go, with what they were made of.

    Attributes:
        root: The folder.
    """

    root: Path

    def check(
        self, settings: Mapping, statistics: Path, overwrite: bool
    ) -> None:
        """Refuse a folder that another job, or another program, has filled.

        Args:
            settings: Those of this job that decide about its files.
            statistics: File that may be there before.
            overwrite: Allow other settings.

        Raises:
            DataError: The folder holds other files.
        """
        path = self.root / SETTINGS
        if not path.exists():
            if self._names() - {_name_in(self.root, statistics)}:
                raise DataError(
                    f"'{self.root}' holds files that are no translation by "
                    'this tool; choose another folder'
                )
            return
        if overwrite:
            return
        found = read_json(path, _MEND)
        differing = [
            f'{key} {found.get(key)!r}, not {value!r}'
            for key, value in settings.items()
            if found.get(key) != value
        ]
        if differing:
            raise DataError(
                f"'{self.root}' was translated with {'; '.join(differing)}: "
                + _MEND
            )

    def begin(
        self, settings: Mapping, pairs: Mapping[str, str], lines: Sequence[str]
    ) -> None:
        """Write what the images are made of.

        Args:
            settings: As of :meth:`check`.
            pairs: Target image of each source image.
            lines: Images in the order of the source.
        """
        # First, since it marks the folder as ours.
        self._write_json(SETTINGS, settings)
        text = io.StringIO()
        rows = [('source', 'target'), *pairs.items()]
        csv.writer(text, lineterminator='\n').writerows(rows)
        atomic_write(self.root / PAIRS, text.getvalue())
        atomic_write(
            self.root / IMAGES, ''.join(f'{line}\n' for line in lines)
        )
        self.end()
        (self.root / UNFINISHED).mkdir()

    def missing(self, names: Sequence[str]) -> list[str]:
        """Images that are not there yet; the folder counts as unfinished."""
        missing = [n for n in names if not (self.root / n).is_file()]
        if missing:
            (self.root / FINISHED).unlink(missing_ok=True)
        return missing

    def end(self) -> None:
        """Remove what stopped processes have left."""
        shutil.rmtree(self.root / UNFINISHED, ignore_errors=True)

    def finish(self, summary: Mapping) -> None:
        """Write that all images are there.

        Args:
            summary: About them, for people.
        """
        self._write_json(FINISHED, summary)

    def clear(self) -> None:
        """Remove the images of an earlier translation."""
        path = self.root / PAIRS
        if not path.is_file():
            return
        (self.root / FINISHED).unlink(missing_ok=True)
        remedy = 'remove the folder'
        data = read_plain_file(path, remedy)
        # A name that is damaged is none of an image here.
        text = io.StringIO(data.decode(errors='replace').replace('\0', ''))
        try:
            names = [row[0] for row in csv.reader(text) if row]
        except csv.Error as error:
            raise DataError(
                f"'{path}' is damaged ({error}); {remedy}"
            ) from error
        root = self.root.resolve()
        for name in names[1:]:
            image = self.root / name
            # Someone may have edited the file.
            if root in image.resolve().parents:
                image.unlink(missing_ok=True)

    def _names(self) -> set[str]:
        if not self.root.is_dir():
            return set()
        return {n for n in os.listdir(self.root) if not n.startswith('.')}

    def _write_json(self, name: str, content: Mapping) -> None:
        text = json.dumps(dict(content), indent=1, ensure_ascii=False)
        atomic_write(self.root / name, text + '\n')


def _name_in(folder: Path, path: Path) -> str:
    """Name of a file that lies in a folder, else nothing."""
    return path.name if path.resolve().parent == folder.resolve() else ''
