"""Where an image comes from, as referrers beside it: a SLSA v1 provenance statement and the evaluation report. Pure.

Everything that belongs to one job (ids, times, trace) is here and not in the image, so that the image's digest is the
adapter's. Times are the job's, not the clock's: a push that is repeated makes the same referrers.
Formats: in-toto Statement v1, SLSA provenance v1, OCI image spec 1.1 "Guidelines for Artifact Usage".
"""

from dataclasses import dataclass

from schemas.records import AdapterManifest, SpecRecord
from services.common.registry.descriptors import EMPTY, MANIFEST, Descriptor, sha256_of, to_json
from services.common.telemetry import trace_id
from services.publisher.manifest import Image, config_digest

IN_TOTO = "application/vnd.in-toto+json"
EVALUATION = "application/vnd.lorabus.evaluation.v1+json"
SLSA = "https://slsa.dev/provenance/v1"
BUILD_TYPE, BUILDER = "urn:lorabus:tuning:v1", "urn:lorabus:publisher:v1"
NOTHING = b"{}"


@dataclass(frozen=True, slots=True)
class Referrer:
    """An artifact that points at the image: its document and its manifest."""

    document: bytes
    manifest: bytes
    descriptor: Descriptor


def referrers(record: SpecRecord, manifest: AdapterManifest, image: Image) -> tuple[Referrer, ...]:
    """The statement and the report."""
    predicate = {"in-toto.io/predicate-type": SLSA}
    return (
        _referrer(record, manifest, image, IN_TOTO, to_json(statement(record, manifest, image)), predicate),
        _referrer(record, manifest, image, EVALUATION, to_json(evaluation(record, manifest)), {}),
    )


def statement(record: SpecRecord, manifest: AdapterManifest, image: Image) -> dict[str, object]:
    """What was built, from what, how and by whom."""
    spec = record.spec
    definition = {
        "buildType": BUILD_TYPE,
        "externalParameters": {
            "namespace": spec.namespace,
            "name": spec.name,
            "preset": spec.preset,
            "method": spec.method,
            "specDigest": record.spec_digest,
            "config": spec.config.model_dump(mode="json", by_alias=True, exclude={"given"}),
        },
        "internalParameters": {"configDigest": config_digest(spec.config)},
        "resolvedDependencies": [
            {"uri": f"pkg:huggingface/{manifest.base_model}@{manifest.base_revision}", "name": "base model"},
            {"uri": "urn:lorabus:dataset", "name": "dataset", "digest": _digest_set(manifest.dataset_digest)},
        ],
    }
    run = {
        "builder": {"id": BUILDER, "version": dict(sorted(manifest.library_versions.items()))},
        "metadata": {
            "invocationId": f"{record.job_id}/attempts/{manifest.attempt}",
            "startedOn": record.accepted_at.isoformat(),
            "finishedOn": manifest.created_at.isoformat(),
        },
        "byproducts": [{"name": "trace", "annotations": {"traceId": trace_id(record.traceparent)}}],
    }
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": spec.output.image or record.job_id, "digest": _digest_set(image.digest)}],
        "predicateType": SLSA,
        "predicate": {"buildDefinition": definition, "runDetails": run},
    }


def evaluation(record: SpecRecord, manifest: AdapterManifest) -> dict[str, object]:
    """What the training measured, times included."""
    return {
        "jobId": record.job_id,
        "attempt": manifest.attempt,
        "trainedTokens": manifest.trained_tokens,
        "datasetDigest": manifest.dataset_digest,
        "metrics": dict(sorted(manifest.metrics.items())),
    }


def _referrer(
    record: SpecRecord, manifest: AdapterManifest, image: Image, kind: str, document: bytes, more: dict[str, str]
) -> Referrer:
    annotations = {
        "org.opencontainers.image.created": manifest.created_at.isoformat(),
        "dev.lorabus.job.id": record.job_id,
        **more,
    }
    layer = Descriptor(media_type=kind, digest=sha256_of(document), size=len(document), annotations=more or None)
    raw = to_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": kind,
            "config": Descriptor(media_type=EMPTY, digest=sha256_of(NOTHING), size=len(NOTHING)).to_json(),
            "layers": [layer.to_json()],
            "subject": image.descriptor.to_json(),
            "annotations": annotations,
        }
    )
    descriptor = Descriptor(
        media_type=MANIFEST, digest=sha256_of(raw), size=len(raw), artifact_type=kind, annotations=annotations
    )
    return Referrer(document, raw, descriptor)


def _digest_set(digest: str) -> dict[str, str]:
    algorithm, _, value = digest.rpartition(":")
    return {algorithm or "sha256": value}
