"""Normalizers: stream -> stream (the contract is in `registry.py`)."""
