"""Clients of TensorFlow Serving for exports of tfmlm; they import no TensorFlow.

```python
from tfmlm.client import GrpcClient, RestClient

with RestClient("http://localhost:8501/v1/models/mlm") as client:
    for fill in client.fill("Paris is the [MASK] of France.", top_k=3):
        print(fill.token_str, fill.score)
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfmlm._lazy import lazily
from tfmlm.client.errors import ServingError
from tfmlm.client.results import Answer, Fill, Scores
from tfmlm.client.settings import Retries, Tls

if TYPE_CHECKING:
    from tfmlm.client.address import connect
    from tfmlm.client.grpc import GrpcClient
    from tfmlm.client.rest import RestClient

__all__ = [
    "Answer",
    "Fill",
    "GrpcClient",
    "RestClient",
    "Retries",
    "Scores",
    "ServingError",
    "Tls",
    "connect",
]

_LAZY = {
    "RestClient": "tfmlm.client.rest",
    "GrpcClient": "tfmlm.client.grpc",
    "connect": "tfmlm.client.address",
}

__getattr__ = lazily(__name__, _LAZY)
