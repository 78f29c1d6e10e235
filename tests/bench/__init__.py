"""Measurements through the public edge; nothing here passes or fails."""
