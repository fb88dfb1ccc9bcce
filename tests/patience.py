"""How long a test waits for what must come."""

PATIENCE_S = 300
"""No speed is tested by it: it only ends what would hang, on a machine many times slower than any."""
