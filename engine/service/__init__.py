"""The use cases every door calls."""
