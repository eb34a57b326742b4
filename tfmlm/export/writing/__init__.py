"""The version folder: the SavedModel, its record and its warm-up."""
