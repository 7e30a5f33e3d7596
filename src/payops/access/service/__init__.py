"""Use cases of access: credentials are made, verified and ended here."""

from payops.access.service.authenticating import Authenticator
from payops.access.service.jwks import Fetch, Jwks
from payops.access.service.keys import (
    KEYS_TOPIC,
    IssuedKey,
    KeyVerifier,
    create_key,
    end_key,
    issue_key,
    list_keys,
    revoke_key,
)
from payops.access.service.sessions import (
    end_session,
    find_session,
    forget_sessions,
    form_token,
    open_session,
)
from payops.access.service.tokens import TokenVerifier, issue_development_token, key_source_of

__all__ = [
    "KEYS_TOPIC",
    "Authenticator",
    "Fetch",
    "IssuedKey",
    "Jwks",
    "KeyVerifier",
    "TokenVerifier",
    "create_key",
    "end_key",
    "end_session",
    "find_session",
    "forget_sessions",
    "form_token",
    "issue_development_token",
    "issue_key",
    "key_source_of",
    "list_keys",
    "open_session",
    "revoke_key",
]
