"""What cannot be compiled is refused with the reason."""

from __future__ import annotations

import pytest

from tests.small_models import small_model
from tfmlm.errors import UserError
from tfmlm.training.model_setup import require_xla


def test_xla_is_refused_where_it_cannot_work() -> None:
    model = small_model("bert")
    require_xla(model, 1)
    with pytest.raises(UserError, match="does not work with 2 devices: XLA cannot compile"):
        require_xla(model, 2)
    with pytest.raises(UserError, match="does not work with longformer: its attention has shapes"):
        require_xla(small_model("longformer"), 1)
