"""Velaro on this machine without containers: the real servers and every service under one supervisor."""
