"""One module per noun: plain functions over a connection, called through ``catalog.database``.

The workspace is the first argument after the connection, and every statement filters by it: a
thing of another workspace does not exist here.
"""
