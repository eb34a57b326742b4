"""Ways from texts to ids: the general one, and shorter ones for texts that allow it."""
