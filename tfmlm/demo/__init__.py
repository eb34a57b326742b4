"""The whole path on a corpus that every Python installation has, with no network."""
