"""Image layers: what their bytes are, before and while they are sent."""
