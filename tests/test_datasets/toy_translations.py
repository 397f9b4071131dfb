"""A small source and target, and their translation."""

from toy_colors import write_images

from mmuda.translation.lab_images import find_images
from mmuda.translation.lab_jobs import LabTranslationJob


def write_domains(folder):
    """Source of four images in two folders, and target of five."""
    write_images(folder / 'source/a', 2)
    write_images(folder / 'source/b', 2, start=10)
    write_images(folder / 'target', 5, start=20)
    return folder


def translate(folders, out='out', source='source', target='target', **kwargs):
    job = LabTranslationJob(
        find_images(folders / source, 'SOURCE'),
        find_images(folders / target, 'TARGET'),
        folders / out,
        progress=False,
        **kwargs,
    )
    return job.run()
