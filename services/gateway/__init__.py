"""The only public door: authenticates, limits, composes; owns no data."""
