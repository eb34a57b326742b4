"""Models: words -> ids (the contract is in `component.py`)."""
