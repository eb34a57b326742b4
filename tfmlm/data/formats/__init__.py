"""Readers of text files: one module a format, each yields texts as they stand in the file."""
