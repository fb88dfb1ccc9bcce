"""Why a file did not become a table.

The tree::

    engine.errors.DataInvalid
    └── LoadError           the sentence is for the user who sent the file

A message names columns and rows of the user's own input and never a path of the machine.
"""

from engine.errors import DataInvalid


class LoadError(DataInvalid):
    """The input cannot be read as a table."""


class TypeContradiction(Exception):
    """A value does not fit the type chosen so far; the type of its column has to be widened."""
