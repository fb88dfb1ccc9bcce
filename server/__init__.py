"""Doors: HTTP and the command line. No business decisions live here."""
