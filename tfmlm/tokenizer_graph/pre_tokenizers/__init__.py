"""Pre-tokenizers: (stream, starts) -> (stream, starts) (the contract is in `component.py`)."""
