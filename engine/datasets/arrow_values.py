"""Names for Arrow values in signatures.

They are ``Any`` to the type checker: the published stubs describe an older pyarrow and refuse
valid calls.
"""

from typing import Any, TypeAlias

Texts: TypeAlias = Any
"""A ``pa.StringArray``."""
Column: TypeAlias = Any
"""A ``pa.Array`` or ``pa.ChunkedArray`` of any type."""
Field: TypeAlias = Any
"""A ``pa.Field``."""
Type: TypeAlias = Any
"""A ``pa.DataType`` whose own properties (``fields``, ``value_type``, ``scale``) are used."""
