"""An export in a session of TensorFlow's C library, loaded signature by signature."""
