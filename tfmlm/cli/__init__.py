"""The `tfmlm` command: one file per command."""
