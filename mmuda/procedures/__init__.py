# Copyright (c) mmuda authors, Apache-2.0.
"""Trainings and labellings in turns, as stages that can be continued."""
