"""Figures: kept by readers, linked to the text, converted to PNG."""
