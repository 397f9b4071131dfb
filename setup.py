# Copyright (c) mmuda authors.
"""Packs tools, configs and the model index with the package.

All metadata is in pyproject.toml.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
MIM_ENTRIES = ('tools', 'configs', 'model-index.yml')
# They use folders of the repository that are no part of the package.
REPOSITORY_ONLY_TOOLS = (
    *('benchmark.py', 'published_numbers.py', 'run_experiments.py'),
    *('results_page.py', 'draw_experiments.py', 'draw_methods.py'),
    *('draw_strip.py', 'draw_views.py', 'run_tutorials.py'),
    'label_free_experiment.py',
)
# With the demo the wheel would be larger than a megabyte: its tools, and the
# configs that learn from its streets or from random weights on CARLA and
# CamVid, are in the wheel of demo_wheel/.
DEMO_TOOLS = ('demo.py', 'make_street_scenes.py')
DEMO_CONFIGS = (
    *('demo', 'demo*.py', '*_demo.py'),
    *('carla2camvid_*.py', '*_carla2camvid.py'),
)
# `mmuda` and `mim` start several processes themselves.
STARTERS = ('dist_*.sh', 'slurm_*.sh')
# Of the folders that are packed; pages link to others that are not.
UNPACKED = ('__pycache__', '*.py[cod]', '*.md', 'published.yml')
LEFT_OUT = {
    'tools': (*REPOSITORY_ONLY_TOOLS, *DEMO_TOOLS, *STARTERS),
    'configs': DEMO_CONFIGS,
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
            ignore = shutil.ignore_patterns(*UNPACKED, *LEFT_OUT[name])
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
