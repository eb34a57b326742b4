"""The model card of a checkpoint folder."""
