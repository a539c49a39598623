"""Where an image comes from: a SLSA v1 provenance statement and the evaluation report. Pure.

Formats: in-toto Statement v1, SLSA provenance v1.
"""

from datetime import UTC, datetime

from schemas.records import AdapterManifest, SpecRecord
from services.common.telemetry import trace_id
from services.publisher.manifest import Image, config_digest
from services.publisher.signatures import STATEMENT_TYPE

SLSA = "https://slsa.dev/provenance/v1"
BUILD_TYPE, BUILDER = "urn:lorabus:tuning:v1", "urn:lorabus:publisher:v1"


def statement(record: SpecRecord, manifest: AdapterManifest, image: Image) -> dict[str, object]:
    """What was built, from what, how and by whom."""
    spec, trace = record.spec, trace_id(record.traceparent)
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
            "invocationId": f"{manifest.trained_by.job_id}/attempts/{manifest.trained_by.attempt}",
            "startedOn": _timestamp(record.accepted_at),
            "finishedOn": _timestamp(manifest.created_at),
        },
        "byproducts": [{"name": "trace", "uri": f"urn:lorabus:trace:{trace}", "annotations": {"traceId": trace}}],
    }
    return {
        "_type": STATEMENT_TYPE,
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


def _timestamp(at: datetime) -> str:
    """In UTC, written with a Z: in-toto takes no other zone."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _digest_set(digest: str) -> dict[str, str]:
    algorithm, _, value = digest.rpartition(":")
    return {algorithm or "sha256": value}
