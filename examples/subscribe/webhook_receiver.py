"""Receive webhooks: python webhook_receiver.py SECRET-FILE PORT."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from standardwebhooks import Webhook, WebhookVerificationError

WEBHOOK = Webhook(Path(sys.argv[1]).read_text().strip())
MAX_BYTES = 2 * 1024 * 1024
SEEN: set[str] = set()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 <= length <= MAX_BYTES:
            self.send_error(413)
            return
        try:
            # Verify the bytes as they came: parsed and written again they would have another signature.
            event = WEBHOOK.verify(self.rfile.read(length), dict(self.headers.items()))
        except (WebhookVerificationError, ValueError):
            self.send_error(401)
            return
        # The same event may come twice. A service keeps the ids where it keeps what it did with them.
        if event["id"] not in SEEN:
            SEEN.add(event["id"])
            print(event["type"], event["data"]["state"], flush=True)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Only events are printed."""


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Receiver).serve_forever()
