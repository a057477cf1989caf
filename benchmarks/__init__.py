"""Accuracy of allostat's detectors on real recordings, beside other tools': ``python -m benchmarks``."""
