"""Bytes of the wire into values of the core, and back."""
