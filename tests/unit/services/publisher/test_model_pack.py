"""ModelPack's rules on a manifest and its config, as the spec's text and schema have them, in our own words."""

import json
from datetime import UTC, datetime

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from schemas.records import AdapterManifest, SpecRecord
from services.common.layers.plan import MEDIA_TYPES, Compression
from services.common.layers.records import LayerRecord
from services.publisher.manifest import build_image
from services.publisher.model_pack import model_pack, tag_of
from tests.unit.services.publisher.test_plan import image as spec_of

TEXT = {"type": "string"}
MODALITIES = {"type": "array", "items": {"enum": ["text", "image", "audio", "video", "embedding", "other"]}}


def closed(required: list[str], **properties: object) -> dict[str, object]:
    """An object that has no other properties: the spec's schema forbids them everywhere."""
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


CONFIG = closed(
    ["descriptor", "config", "modelfs"],
    descriptor=closed([], name={"type": "string", "minLength": 1}, title=TEXT, description=TEXT),
    config=closed([], format=TEXT, capabilities=closed([], inputTypes=MODALITIES, outputTypes=MODALITIES)),
    modelfs=closed(
        ["type", "diffIds"], type={"const": "layers"}, diffIds={"type": "array", "items": TEXT, "minItems": 1}
    ),
)


def layer(name: str, compression: Compression) -> LayerRecord:
    return LayerRecord(
        digest=f"sha256:{name * 64}", size=7, diff_id=f"sha256:{name * 64}", media_type=MEDIA_TYPES[compression]
    )


@pytest.mark.parametrize(("compression", "suffix"), [("none", "tar"), ("gzip", "tar+gzip"), ("zstd", "tar+zstd")])
def test_it_is_what_the_spec_says_over_the_image_s_blobs(compression: Compression, suffix: str) -> None:
    spec = spec_of("registry.example/a:v1")
    at = datetime(2026, 1, 1, tzinfo=UTC)
    record = SpecRecord(job_id="default.docs.0123456789ab", spec_digest="d", spec=spec, accepted_at=at, traceparent="")
    manifest = AdapterManifest(
        job_id=record.job_id,
        attempt=1,
        files=[],
        trained_tokens=1,
        base_model="lorabus/tiny",
        base_revision="main",
        dataset_digest="d",
        created_at=at,
    )
    image = build_image([layer("a", compression), layer("b", compression)], {})
    made = model_pack(record, manifest, {"sh.kaito.model.name": "tiny"}, image)

    config, document = json.loads(made.document), json.loads(made.manifest)
    Draft202012Validator(CONFIG).validate(config)
    assert document["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert document["artifactType"] == "application/vnd.cncf.model.manifest.v1+json"
    assert document["config"]["mediaType"] == "application/vnd.cncf.model.config.v1+json"
    assert config["modelfs"]["diffIds"] == [one.diff_id for one in image.layers]
    assert [one["mediaType"] for one in document["layers"]] == [
        f"application/vnd.cncf.model.weight.v1.{suffix}",
        f"application/vnd.cncf.model.weight.config.v1.{suffix}",
    ]
    assert [one["digest"] for one in document["layers"]] == [one.digest for one in image.layers]


@pytest.mark.parametrize(("tag", "beside"), [("v1", "v1-modelpack"), ("t" * 128, f"{'t' * 118}-modelpack")])
def test_its_tag_stands_beside_the_image_s(tag: str, beside: str) -> None:
    assert tag_of(tag) == beside
