"""Forms shared by the HTTP routes: bodies, fields, formats, streams and the API document."""
