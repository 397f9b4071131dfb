# Copyright (c) mmuda authors.
"""Choosing among checkpoints, and warning of harm, without target labels."""

from .harm_report_hook import HarmReportHook

__all__ = ['HarmReportHook']
