"""What is changed in a model for training."""
