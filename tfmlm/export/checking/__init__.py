"""Holds an export to its checkpoint."""
