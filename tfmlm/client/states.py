"""States of a version on a server."""

from __future__ import annotations

import enum


class VersionState(enum.IntEnum):
    """`ModelVersionStatus.State` of `tensorflow_serving/apis/get_model_status.proto`."""

    UNKNOWN = 0
    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50

    @classmethod
    def name_of(cls, number: int) -> str:
        """The name of a number; the number itself where it has none."""
        return cls(number).name if number in cls._value2member_map_ else str(number)
