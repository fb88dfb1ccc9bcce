"""The use cases of documents: datasets of entries, their pipeline, and what is searched of them."""
