"""The Data API under ``/api/v1``: document datasets, their entries, pipelines and searches.

It is an application of its own inside the server's: other words for errors, another document.
"""
