# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Packs tools, configs and the model index with the package.

All metadata is in pyproject.toml.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
MIM_ENTRIES = ('tools', 'configs', 'model-index.yml')
# They use folders of the repository that are no part of the package, which
# they would make larger than a megabyte.
REPOSITORY_ONLY_TOOLS = (
    *('demo.py', 'benchmark.py', 'make_street_scenes.py'),
    *('published_numbers.py', 'run_experiments.py', 'results_page.py'),
    *('draw_experiments.py', 'draw_methods.py', 'label_free_experiment.py'),
    *('draw_strip.py', 'draw_views.py', 'run_tutorials.py'),
)
# Of the folders that are packed; pages link to others that are not.
UNPACKED = ('__pycache__', '*.py[cod]', '*.md', 'published.yml')
# By entry; those configs learn from streets that only the repository renders.
REPOSITORY_ONLY = {
    'tools': REPOSITORY_ONLY_TOOLS,
    'configs': ('demo', 'demo*.py', '*_demo.py'),
}


def add_mim_extension(folder: Path, link: bool) -> None:
    """Put what ``mmuda`` and ``mim`` run and read into ``folder``.

    Args:
        folder: The folder ``.mim`` of the package; replaced if it exists.
        link: Link to the sources, so that edits are seen at once, instead of
            copying them. Where links can't be made, they are copied.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in MIM_ENTRIES:
        if link:
            try:
                (folder / name).symlink_to(Path('..', '..', name))
                continue
            except OSError:  # Windows without developer mode
                pass
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns(*UNPACKED, *REPOSITORY_ONLY[name])
            shutil.copytree(ROOT / name, folder / name, ignore=ignore)
        else:
            shutil.copy2(ROOT / name, folder / name)


class BuildWithMim(build_py):
    """Adds ``mmuda/.mim``: copies in wheels, links in editable installs."""

    def run(self) -> None:
        """Build the package, then add the extension."""
        super().run()
        parent = ROOT if self.editable_mode else Path(self.build_lib)
        add_mim_extension(parent / 'mmuda' / '.mim', link=self.editable_mode)


setup(cmdclass={'build_py': BuildWithMim})
