# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Errors that a user can mend; the tools print them as one line."""


class MMUDAError(Exception):
    """Base of all errors caused by what the user passed in."""


class ConfigError(MMUDAError, ValueError):
    """A config key or value is wrong."""


class DataError(MMUDAError, ValueError):
    """An image, label, folder or split file is missing or unusable."""


class DiskFullError(DataError):
    """A file can't be written for lack of space."""


class CheckpointError(MMUDAError, RuntimeError):
    """A checkpoint can't be read or does not fit the model."""
