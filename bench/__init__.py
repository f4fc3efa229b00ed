"""Benchmarks: every side in one run, interleaved, and only ratios count."""
