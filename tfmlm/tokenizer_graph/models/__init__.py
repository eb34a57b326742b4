"""Models: words -> ids (the contract is in `registry.py`)."""
