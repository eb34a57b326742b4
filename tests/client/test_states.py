from __future__ import annotations

from tensorflow_serving.apis import get_model_status_pb2

from tfmlm.client.states import VersionState


def test_states_are_tensorflow_servings() -> None:
    real = dict(get_model_status_pb2.ModelVersionStatus.State.items())
    assert {state.name: state.value for state in VersionState} == real
    assert [VersionState.name_of(number) for number in (30, 99, -1)] == ["AVAILABLE", "99", "-1"]
