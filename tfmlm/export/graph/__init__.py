"""What the signatures compute."""
