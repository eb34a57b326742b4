"""The checkpoint folder, and all that knows transformers' models."""
