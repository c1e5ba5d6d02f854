"""Experiments that break things on purpose, on real processes: short forms in the test suite, long forms by `make faults`."""
