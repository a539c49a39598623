"""Signatures as cosign 3 makes and verifies them: an in-toto statement in a DSSE envelope in a Sigstore bundle. Pure.

No transparency log is asked, so `cosign verify` needs `--insecure-ignore-tlog`. Formats: DSSE v1 ("PAE"),
Sigstore bundle v0.3, both as JSON.
"""

import base64
from collections.abc import Mapping

from services.common.registry.descriptors import to_json
from services.publisher.signing_key import Signer

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
SIGNED = "https://sigstore.dev/cosign/sign/v1"
"""The predicate of a statement that says no more than: this image is ours."""
IN_TOTO = "application/vnd.in-toto+json"


def image_statement(digest: str) -> dict[str, object]:
    """What `cosign sign` signs."""
    algorithm, _, value = digest.partition(":")
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"digest": {algorithm: value}}],
        "predicateType": SIGNED,
        "predicate": {},
    }


def bundle(statement: Mapping[str, object], signer: Signer) -> bytes:
    """The signed statement; the same statement and key give the same bytes."""
    payload = to_json(statement)
    return to_json(
        {
            "mediaType": BUNDLE,
            "verificationMaterial": {"publicKey": {"hint": signer.hint}},
            "dsseEnvelope": {
                "payloadType": IN_TOTO,
                "payload": _base64(payload),
                "signatures": [{"sig": _base64(signer.sign(_authenticated(IN_TOTO, payload)))}],
            },
        }
    )


def bundle_annotations(predicate_type: str) -> dict[str, str]:
    """What cosign writes on the manifest of a bundle, so that one can be chosen without reading it."""
    return {"dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": predicate_type}


def _authenticated(kind: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: type and payload with their lengths, so that neither can be shifted."""
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
