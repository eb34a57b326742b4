"""Text to masked batches: corpus, token blocks, masking in the data graph."""

from tfmlm.data.prepare import prepare_dataset

__all__ = ["prepare_dataset"]
