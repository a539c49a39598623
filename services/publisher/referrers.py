"""What is said of an image beside it, as referrers: provenance, evaluation and, with a key, signatures. Pure.

Everything that belongs to one job (ids, times, trace) is here and not in the image, so that the image's digest is the
adapter's. Times are the job's, not the clock's, and signatures are deterministic: a push that is repeated makes the
same referrers. Format: OCI image spec 1.1, "Guidelines for Artifact Usage".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from schemas.records import AdapterManifest, SpecRecord
from services.common.registry.descriptors import EMPTY, MANIFEST, Descriptor, sha256_of, to_json
from services.publisher.manifest import TITLE, Image
from services.publisher.provenance import SLSA, evaluation, statement
from services.publisher.signatures import BUNDLE, IN_TOTO, SIGNED, bundle, bundle_annotations, image_statement
from services.publisher.signing_key import Signer

EVALUATION = "application/vnd.lorabus.evaluation.v1+json"
NOTHING = b"{}"


@dataclass(frozen=True, slots=True)
class Referrer:
    """An artifact that points at the image: its document and its manifest."""

    document: bytes
    manifest: bytes
    descriptor: Descriptor


def referrers(
    record: SpecRecord, manifest: AdapterManifest, signer: Signer | None, image: Image
) -> tuple[Referrer, ...]:
    """The statement and the report; with a key the image's signature and the signed statement, too."""
    return tuple(_referrers(record, manifest, signer, image))


def _referrers(
    record: SpecRecord, manifest: AdapterManifest, signer: Signer | None, image: Image
) -> Iterator[Referrer]:
    job = {"org.opencontainers.image.created": manifest.created_at.isoformat(), "dev.lorabus.job.id": record.job_id}
    told, predicate = statement(record, manifest, image), {"in-toto.io/predicate-type": SLSA}
    report = to_json(evaluation(record, manifest))
    if signer is not None:
        # It belongs to the image and to no job: a rerun that comes out the same finds it there.
        yield _referrer(image, BUNDLE, bundle(image_statement(image.digest), signer), bundle_annotations(SIGNED))
        yield _referrer(image, BUNDLE, bundle(told, signer), {**job, **bundle_annotations(SLSA)})
    yield _referrer(image, IN_TOTO, to_json(told), {**job, **predicate}, {TITLE: "provenance.json", **predicate})
    yield _referrer(image, EVALUATION, report, job, {TITLE: "evaluation.json"})


def _referrer(
    image: Image,
    kind: str,
    document: bytes,
    annotations: Mapping[str, str],
    of_document: Mapping[str, str] | None = None,
) -> Referrer:
    named = dict(of_document) if of_document else None
    layer = Descriptor(media_type=kind, digest=sha256_of(document), size=len(document), annotations=named)
    raw = to_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": kind,
            "config": Descriptor(media_type=EMPTY, digest=sha256_of(NOTHING), size=len(NOTHING)).to_json(),
            "layers": [layer.to_json()],
            "subject": image.descriptor.to_json(),
            "annotations": dict(annotations),
        }
    )
    descriptor = Descriptor(
        media_type=MANIFEST, digest=sha256_of(raw), size=len(raw), artifact_type=kind, annotations=dict(annotations)
    )
    return Referrer(document, raw, descriptor)
