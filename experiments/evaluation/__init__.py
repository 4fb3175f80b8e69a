"""Measuring trained runs, without training anything."""
