from tests.hub.conftest import tokenizer  # noqa: F401
