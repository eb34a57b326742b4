"""Tensor helpers that all components share: tables, look-ups, shifts, edits, expressions."""
