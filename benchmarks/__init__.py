"""Measurements; python -m benchmarks.NAME runs one."""

from cli.startup import set_environment

set_environment()
