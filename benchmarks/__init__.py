"""Speed and accuracy of allostat against other tools: ``python -m benchmarks``."""
