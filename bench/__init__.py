"""Benchmarks: each figure is a ratio against what a user would take instead, both measured in the same run."""
