"""The three headers of the Standard Webhooks spec. Pure."""

from collections.abc import Sequence
from datetime import datetime

from standardwebhooks import Webhook


def signed_headers(secrets: Sequence[str], event_id: str, body: bytes, at: datetime) -> dict[str, str]:
    """Sign one try, made `at` (UTC). With several secrets a receiver that knows any of them is content.

    The spec wants no full stop in the id, so that nobody can read the signed `id.time.body` with other borders. Ours
    have two, of the job's name; another reading of it has a body that goes on after the id, and that is no JSON.
    """
    signatures = [Webhook(secret).sign(event_id, at, body.decode()) for secret in secrets]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
