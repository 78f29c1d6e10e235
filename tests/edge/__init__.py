"""Clients of the public edge: what tests and measurements speak through, and nothing else."""
