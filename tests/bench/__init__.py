"""Benchmarks are commands, never timed tests: `python -m tests.bench [names]`."""
