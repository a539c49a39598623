"""What in-toto and SLSA ask of a statement, as their texts have it (Statement v1, Provenance v1), in our own words."""

from datetime import UTC, datetime, timedelta, timezone

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from schemas.records import AdapterManifest, AdapterOrigin, SpecRecord
from services.publisher.manifest import Image
from services.publisher.provenance import statement
from tests.unit.services.publisher.test_plan import image as spec_of

TEXT, URI = {"type": "string"}, {"type": "string", "pattern": "^[a-z][a-z0-9+.-]*:"}
DIGESTS = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": False,
    "properties": {"sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"}},
}
# A resource is found by at least one of three; a name alone is none.
RESOURCE = {
    "type": "object",
    "properties": {"name": TEXT, "uri": URI, "digest": DIGESTS, "content": TEXT, "annotations": {"type": "object"}},
    "anyOf": [{"required": ["uri"]}, {"required": ["digest"]}, {"required": ["content"]}],
    "additionalProperties": False,
}
RESOURCES = {"type": "array", "items": RESOURCE}
TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"}


def having(required: dict[str, object], **others: object) -> dict[str, object]:
    """An object that has no other properties than these."""
    properties = {**required, **others}
    return {"type": "object", "properties": properties, "required": [*required], "additionalProperties": False}


DEFINITION = having(
    {"buildType": URI, "externalParameters": {"type": "object", "minProperties": 1}},
    internalParameters={"type": "object"},
    resolvedDependencies=RESOURCES,
)
RUN = having(
    {"builder": having({"id": URI}, version={"type": "object", "additionalProperties": TEXT})},
    metadata=having({}, invocationId=TEXT, startedOn=TIME, finishedOn=TIME),
    byproducts=RESOURCES,
)
STATEMENT = having(
    {
        "_type": {"const": "https://in-toto.io/Statement/v1"},
        "subject": {"type": "array", "minItems": 1, "items": having({"digest": DIGESTS}, name=TEXT)},
        "predicateType": {"const": "https://slsa.dev/provenance/v1"},
        "predicate": having({"buildDefinition": DEFINITION, "runDetails": RUN}),
    }
)


def test_the_statement_is_what_in_toto_and_slsa_ask() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)
    spec = spec_of("registry.example/a:v1")
    trace = "0af7651916cd43dd8448eb211c80319c"
    record = SpecRecord(
        job_id="default.docs.0123456789ab",
        spec_digest=spec.spec_digest,
        spec=spec,
        accepted_at=at,
        traceparent=f"00-{trace}-b7ad6b7169203331-01",
    )
    manifest = AdapterManifest(
        job_id=record.job_id,
        attempt=1,
        origin=AdapterOrigin(job_id="default.docs.fedcba987654", attempt=3),
        files=[],
        trained_tokens=1,
        base_model="lorabus/tiny",
        base_revision="main",
        dataset_digest=f"sha256:{'d' * 64}",
        library_versions={"torch": "2.15.0", "peft": "0.21.0"},
        created_at=at.astimezone(timezone(timedelta(hours=-5))),
    )
    image = Image(b"{}", b"{}", ())
    told = statement(record, manifest, image)

    Draft202012Validator(STATEMENT).validate(told)
    predicate = told["predicate"]
    assert isinstance(predicate, dict)
    run, definition = predicate["runDetails"], predicate["buildDefinition"]
    assert f"sha256:{told['subject'][0]['digest']['sha256']}" == image.digest  # type: ignore[index]
    assert run["builder"]["version"] == manifest.library_versions
    assert run["metadata"] == {
        "invocationId": "default.docs.fedcba987654/attempts/3",
        "startedOn": "2026-01-02T03:04:05.600000Z",
        "finishedOn": "2026-01-02T03:04:05.600000Z",
    }
    assert trace in run["byproducts"][0]["uri"]
    base, dataset = definition["resolvedDependencies"]
    assert base["uri"] == "pkg:huggingface/lorabus/tiny@main"
    assert f"sha256:{dataset['digest']['sha256']}" == manifest.dataset_digest
    assert definition["externalParameters"]["config"]["LoraConfig"]["r"] == spec.config.lora.r
