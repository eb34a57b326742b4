"""TF masked LMs that transformers lacks, one file each, known to its Auto classes."""
