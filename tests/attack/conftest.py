from tests.serve.fixtures import reference, toy_server, toy_versions  # noqa: F401
