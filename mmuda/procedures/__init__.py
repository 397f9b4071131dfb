# Copyright (c) mmuda authors.
"""Trainings and labellings in turns, as stages that can be continued."""
