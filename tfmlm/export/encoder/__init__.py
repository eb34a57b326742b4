"""The model inside the exported graph."""
