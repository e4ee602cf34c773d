"""Tests of what benchmarks are measured with."""
