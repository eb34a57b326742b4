"""Decoders: ids -> text."""
