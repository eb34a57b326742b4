"""Post-processors: which special tokens stand around one text or two."""
