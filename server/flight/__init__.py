"""The Flight SQL door: Arrow clients in, record batches out, as the workers made them."""
