"""Scripts that run in the environments of other tools; nothing here imports allostat."""
