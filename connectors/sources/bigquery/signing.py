"""A service account's access token, and nothing more; import it like a driver, when it is used.

Google's own credentials also ask another of its hosts where the account may be used from, with the
token in hand, before they answer the endpoint that the connection names.
"""

from collections.abc import Mapping
from typing import Any

from google.auth import credentials
from google.oauth2 import service_account
from typing_extensions import override


class ServiceAccountToken(credentials.Credentials):
    """Exchanges a signed claim for an access token at the ``token_uri`` of a key.

    Raises:
        ValueError: the private key cannot be read.
    """

    def __init__(self, key: Mapping[str, str], scope: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # theirs has no annotations
        accounts: Any = service_account.Credentials
        self._account = accounts.from_service_account_info(key, scopes=[scope])

    @override
    def refresh(self, request: Any) -> None:
        """Fetch a token."""
        self._account.refresh(request)
        self.token = self._account.token
        self.expiry = self._account.expiry
