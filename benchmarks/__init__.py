"""Measurements; python -m benchmarks.NAME runs one."""

from data_prep.quiet import set_environment

set_environment()
