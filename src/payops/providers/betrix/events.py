"""Events to BETRIX's back end, signed as Standard Webhooks 1.0 says.

The receiver verifies ``webhook-signature`` over id, timestamp and body with the shared secret,
and knows a repeat by its ``webhook-id``.
"""

import json
from typing import Final

import structlog
from standardwebhooks import Webhook

from payops.fraud.ports import Delivery, Notice
from payops.infra.http import CallFailed, HttpClient
from payops.kernel.clock import Clock, SystemClock

VERIFICATION_REQUESTED: Final = "device_verification.requested"

log = structlog.get_logger(__name__)


class EventCourier:
    """Posts each notice to ``url``. ``secret`` is ``whsec_…``, base64 of 24 to 64 bytes.

    Raises:
        ValueError: the secret is not that; the text does not repeat it.
    """

    def __init__(
        self, http: HttpClient, *, url: str, secret: str, clock: Clock | None = None
    ) -> None:
        self._http = http
        self._url = url
        self._clock = clock or SystemClock()
        try:
            self._webhook = Webhook(secret)
        except Exception:  # noqa: BLE001 - whatever the library makes of it repeats the secret
            raise ValueError("PAYOPS_EVENTS__SECRET is not whsec_ and base64") from None

    async def deliver(self, notice: Notice) -> Delivery:
        """2xx is taken, 410 and 4xx of our making will not change, anything else may."""
        now = self._clock.now()
        body = json.dumps(
            {
                "type": VERIFICATION_REQUESTED,
                "timestamp": now.isoformat(),
                "data": {
                    "userId": notice.user_id,
                    "verificationId": notice.verification_id,
                    "code": notice.code,
                    "expiresAt": notice.expires_at.isoformat(),
                },
            },
            separators=(",", ":"),
        )
        headers = {
            "content-type": "application/json",
            "webhook-id": notice.verification_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._webhook.sign(notice.verification_id, now, body),
        }
        try:
            reply = await self._http.request("POST", self._url, headers=headers, body=body.encode())
        except CallFailed as error:
            log.warning("event.not_delivered", kind=VERIFICATION_REQUESTED, why=str(error))
            return Delivery.FAILED
        if 200 <= reply.status < 300:
            return Delivery.DELIVERED
        log.warning("event.refused", kind=VERIFICATION_REQUESTED, status=reply.status)
        # A wrong secret or a route that is gone is mended over there while we try on.
        return Delivery.FAILED
