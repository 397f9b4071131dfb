# Copyright (c) mmuda authors.
"""Where the files of keys lie: below a folder, or in several alike."""

import glob
import os
from dataclasses import dataclass

from mmuda.datasets.sets.listing import list_files, require_folder
from mmuda.utils.errors import DataError

# As a part of a path: any folder, whose name begins the key.
ANY = '*'


@dataclass(frozen=True)
class FilePlaces:
    """Files of one kind, images or labels, and the names they go by.

    A name is the path below the folder, without what all names begin with.
    Parts of the path that are ``*`` stand for any folder, whose name comes
    first: of ``rgb_anon/*/train`` the file ``rgb_anon/fog/train/a/b.png`` has
    the name ``fog/a/b.png``.

    Attributes:
        folder: Path of the folder.
        prefix: What base names begin with; files without it are left out.
    """

    folder: str
    prefix: str = ''

    def require(self, option: str, data_root: str | None) -> None:
        """Raise a DataError if there is no folder, which ``option`` sets."""
        if self._is_pattern and os.path.isdir(data_root or '.'):
            if not self._folders():
                raise DataError(
                    f'no folder fits {self.folder!r} (* is any name); correct '
                    f'{option} in the dataset config, or complete the download'
                )
            return
        require_folder(self.folder, option, data_root)

    def list(self, repeats: bool = False) -> list[str]:
        """Find all files.

        Args:
            repeats: As of ``list_files``.

        Returns:
            Their names, none if there is no folder.

        Raises:
            DataError: As of ``list_files``.
        """
        names = []
        for start, folder in self._folders().items():
            for name in list_files(folder, repeats):
                inner, _, base = f'{start}{name}'.rpartition('/')
                if base.startswith(self.prefix):
                    base = base.removeprefix(self.prefix)
                    names.append(f'{inner}/{base}' if inner else base)
        return names

    def keys(self, suffix: str) -> set[str]:
        """Find the files whose names end in a suffix.

        Returns:
            Their names without it.

        Raises:
            DataError: As of ``list_files``.
        """
        return {
            name.removesuffix(suffix)
            for name in self.list(repeats=True)
            if name.endswith(suffix)
        }

    def path(self, name: str) -> str:
        """Return the file of a name."""
        folder = self.folder
        if self._is_pattern:
            parts = folder.split('/')
            for index, part in enumerate(parts):
                if part == ANY:
                    parts[index], _, name = name.partition('/')
            folder = '/'.join(parts)
        if self.prefix:
            inner, slash, base = name.rpartition('/')
            name = f'{inner}{slash}{self.prefix}{base}'
        return f'{folder}/{name}'

    @property
    def _is_pattern(self) -> bool:
        return ANY in self.folder.split('/')

    def _folders(self) -> dict[str, str]:
        """Folders that there are, by what names in them begin with."""
        if not self._is_pattern:
            return {'': self.folder} if os.path.isdir(self.folder) else {}
        parts = self.folder.split('/')
        pattern = '/'.join(p if p == ANY else glob.escape(p) for p in parts)
        found = {}
        for path in sorted(filter(os.path.isdir, glob.glob(pattern))):
            pairs = zip(parts, path.split('/'), strict=True)
            start = ''.join(f'{name}/' for part, name in pairs if part == ANY)
            found[start] = path
        return found
