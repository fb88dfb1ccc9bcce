"""What proves that somebody knows a secret, without keeping it: SCRAM-SHA-256 (RFC 5802, RFC 7677).

It is kept as Postgres keeps it in ``rolpassword``:
``SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>``, the last three in base64.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass

ITERATIONS = 4096
_SALT_BYTES = 16
_METHOD = "SCRAM-SHA-256"


@dataclass(frozen=True, slots=True)
class ScramVerifier:
    """The keys of one secret."""

    iterations: int
    salt: bytes
    stored_key: bytes
    server_key: bytes

    def dump(self) -> str:
        """Write it as Postgres does; :func:`read_verifier` reads it."""
        salt, stored, server = (
            base64.b64encode(part).decode()
            for part in (self.salt, self.stored_key, self.server_key)
        )
        return f"{_METHOD}${self.iterations}:{salt}${stored}:{server}"


def make_verifier(secret: str, *, salt: bytes | None = None) -> ScramVerifier:
    """Derive the keys of a secret, which is of ASCII: SASLprep would change nothing."""
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", secret.encode(), salt, ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return ScramVerifier(
        ITERATIONS,
        salt,
        hashlib.sha256(client_key).digest(),
        hmac.digest(salted, b"Server Key", "sha256"),
    )


def read_verifier(text: str) -> ScramVerifier:
    """Read what :meth:`ScramVerifier.dump` wrote.

    >>> made = make_verifier("secret")
    >>> read_verifier(made.dump()) == made
    True
    """
    _, head, keys = text.split("$")
    iterations, salt = head.split(":")
    stored_key, server_key = keys.split(":")
    parts = (base64.b64decode(part) for part in (salt, stored_key, server_key))
    return ScramVerifier(int(iterations), *parts)
