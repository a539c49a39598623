"""A client of OCI registries and image layouts: the publisher pushes with it, trainer and command read with it."""
