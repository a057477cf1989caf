"""Straps without a radio: models that send what real ones send, faults on demand, and the truth behind every byte."""
