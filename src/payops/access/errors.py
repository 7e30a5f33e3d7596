"""Why a caller is turned away. What was wrong with a credential is said to nobody."""

from payops.kernel import errors


class CredentialsRefused(errors.Unauthenticated):
    """A token or key was sent, and it is not one of ours, not valid yet, or revoked."""

    code = "credentials_refused"
    title = "The credentials are not valid"


class TokenExpired(errors.Unauthenticated):
    code = "token_expired"
    title = "The token has expired"


class ScopeMissing(errors.Forbidden):
    code = "scope_missing"
    title = "These credentials lack the scope for this"


class OtherUser(errors.Forbidden):
    code = "other_user"
    title = "A user's token acts for that user only"


class FourEyesRequired(errors.Forbidden):
    """Who asked for something may not be who allows it, by whichever of their keys."""

    code = "four_eyes_required"
    title = "Somebody else must approve this"


class RequestForged(errors.Forbidden):
    """A form that no page of ours sent, or that a page of an ended session sent."""

    code = "request_forged"
    title = "This form was not sent from a page of this session; open the page anew"


class KeyNotFound(errors.NotFound):
    code = "api_key_not_found"
    title = "There is no such API key"


class TokenKeysUnavailable(errors.Unavailable):
    """The issuer's public keys cannot be read: nothing can be said of the token."""

    code = "token_keys_unavailable"
    title = "Tokens cannot be verified at the moment"
