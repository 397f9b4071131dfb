# Copyright (c) mmuda authors.
"""A tour of the methods on procedural street scenes, on a CPU in minutes."""

from demo.demo_report import read_results, result_table, write_results
from demo.named_lines import named_lines
from demo.runs import (
    DemoSettings,
    make_data,
    method_folder,
    run_method,
)
from demo.side_by_side import run_methods, threads_of_each

__all__ = [
    'DemoSettings',
    'make_data',
    'method_folder',
    'named_lines',
    'read_results',
    'result_table',
    'run_method',
    'run_methods',
    'threads_of_each',
    'write_results',
]
