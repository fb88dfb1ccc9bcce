"""Texts to vectors: models of this machine, and services that have one."""
