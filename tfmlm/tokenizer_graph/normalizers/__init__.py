"""Normalizers: stream -> stream (the contract is in `component.py`)."""
