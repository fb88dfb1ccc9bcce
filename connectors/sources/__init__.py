"""The sources: one module or package each, independent of one another; the registry names them."""
