"""Registered content in immutable segments: built, merged, and read as one."""
