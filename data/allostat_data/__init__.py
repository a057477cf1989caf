"""Data of allostat: biomarkers, definitions, references, norms and cut-offs. Files only, no code."""
