"""The server's side of SCRAM-SHA-256, as Postgres speaks it.

An unknown user is asked for the same proof, with a salt that is always the same for the same name, and
fails at the end as a wrong password does: neither says which it was. The trap: libpq sends an empty user
name inside the exchange; the one of the start-up counts.
"""

import base64
import binascii
import hashlib
import hmac
import secrets

from catalog.scram import ITERATIONS, ScramVerifier
from server.pgwire.errors import ProtocolViolation

MECHANISM = "SCRAM-SHA-256"
MECHANISM_PLUS = "SCRAM-SHA-256-PLUS"
_NONCE_BYTES = 18
_KEY_BYTES = 32


class ScramExchange:
    """One exchange: :meth:`challenge`, then :meth:`verify`.

    Args:
        verifier: of the secret; None when nobody has this name.
        pretence: a secret of this server, from which the salts of unknown names are made.
        user: the name of the start-up.
        binding: the hash of the server's certificate on a TLS connection; None without.
    """

    def __init__(
        self,
        verifier: ScramVerifier | None,
        *,
        pretence: bytes,
        user: str,
        binding: bytes | None = None,
    ) -> None:
        self._is_known = verifier is not None
        self._verifier = verifier or _pretended(pretence, user)
        self._binding = binding
        self._gs2 = ""
        self._client_first = ""
        self._server_first = ""
        self._nonce = ""

    def challenge(self, mechanism: str, client_first: bytes) -> bytes:
        """Answer the first message of the client.

        Raises:
            ProtocolViolation: it is no message of this mechanism.
        """
        text = _text(client_first)
        parts = text.split(",", 2)
        if len(parts) != 3:  # noqa: PLR2004 - binding, name, and the rest
            raise _malformed()
        flag, name, bare = parts
        self._check_binding(flag, mechanism)
        if name:
            raise ProtocolViolation("client uses authorization identity, but it is not supported")
        fields = _fields(bare)
        if "r" not in fields or "m" in fields or not fields["r"]:
            raise _malformed()
        self._gs2 = f"{flag},,"
        self._client_first = bare
        self._nonce = fields["r"] + base64.b64encode(secrets.token_bytes(_NONCE_BYTES)).decode()
        salt = base64.b64encode(self._verifier.salt).decode()
        self._server_first = f"r={self._nonce},s={salt},i={self._verifier.iterations}"
        return self._server_first.encode()

    def verify(self, client_final: bytes) -> bytes | None:
        """Return the server's proof when the client's is right, else None.

        Raises:
            ProtocolViolation: the message is none, or belongs to another exchange.
        """
        text = _text(client_final)
        without_proof, separator, _ = text.rpartition(",p=")
        fields = _fields(text)
        if not separator or not {"c", "r", "p"} <= fields.keys():
            raise _malformed()
        if fields["r"] != self._nonce:
            raise ProtocolViolation("SCRAM nonce does not match")
        bound = self._gs2.encode() + (self._binding or b"" if self._gs2[0] == "p" else b"")
        if _decoded(fields["c"]) != bound:
            raise ProtocolViolation("SCRAM channel binding check failed", "28000")
        signed = f"{self._client_first},{self._server_first},{without_proof}".encode()
        signature = hmac.digest(self._verifier.stored_key, signed, "sha256")
        proof = _decoded(fields["p"])
        if len(proof) != _KEY_BYTES:
            raise _malformed()
        client_key = bytes(one ^ other for one, other in zip(proof, signature, strict=True))
        is_right = hmac.compare_digest(
            hashlib.sha256(client_key).digest(), self._verifier.stored_key
        )
        if not is_right or not self._is_known:
            return None
        own = hmac.digest(self._verifier.server_key, signed, "sha256")
        return b"v=" + base64.b64encode(own)

    def _check_binding(self, flag: str, mechanism: str) -> None:
        """See that nobody in between took the better mechanism off the offer."""
        if mechanism == MECHANISM_PLUS:
            if flag != "p=tls-server-end-point" or self._binding is None:
                raise ProtocolViolation("unsupported SCRAM channel-binding type")
        elif flag == "y" and self._binding is not None:
            raise ProtocolViolation("SCRAM channel binding negotiation error", "28000")
        elif flag not in {"n", "y"}:
            raise _malformed()


def _pretended(pretence: bytes, user: str) -> ScramVerifier:
    salt = hmac.digest(pretence, user.encode("utf-8", "replace"), "sha256")
    return ScramVerifier(ITERATIONS, salt[:16], bytes(_KEY_BYTES), bytes(_KEY_BYTES))


def _fields(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if len(name) != 1 or not equals:
            raise _malformed()
        fields.setdefault(name, value)
    return fields


def _text(message: bytes) -> str:
    try:
        return message.decode("ascii")
    except UnicodeDecodeError:
        raise _malformed() from None


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise _malformed() from None


def _malformed() -> ProtocolViolation:
    return ProtocolViolation("malformed SCRAM message")
