"""The way from every released schema to ``catalog.tables``; forward only."""
