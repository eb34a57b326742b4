"""A server for development and tests with TensorFlow Serving's interfaces (gRPC and REST)."""
