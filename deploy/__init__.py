"""How Velaro is put on machines."""
