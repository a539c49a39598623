"""Sections 2.2 to 2.4 and 2.6 of KAITO's contract, with the exceptions of its section 10."""

from collections.abc import Callable

import pytest

from schemas.admission import Verdict
from schemas.presets import presets, tunable_presets

Judge = Callable[..., Verdict]
Refused = Callable[..., str]

IMAGE = "registry.example.com/data:1"
NOT_TUNABLE = [name for name, preset in presets().items() if not preset.tunable]
CLAIM = {"persistentVolumeClaim": {"claimName": "rows"}}


@pytest.mark.parametrize("method", ["lora", "LoRA", "qlora", "QLORA", "QLoRA"])
def test_method_has_no_letter_case(judge: Judge, method: str) -> None:
    verdict = judge({"tuning.method": method})
    assert verdict.spec is not None
    assert verdict.spec.method == method.lower()


@pytest.mark.parametrize("method", ["", " lora", "lora ", "full", "LORA\n"])
def test_other_methods_are_refused(refused: Refused, method: str) -> None:
    message = refused("tuning.method", {"tuning.method": method})
    assert message.startswith("invalid value: ")
    assert ": tuning.Method" in message


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        ({"tuning.method": ...}, "tuning.method", ["tuning.Method"]),
        ({"tuning.method": 4}, "tuning.method", []),
        ({"tuning.input": ...}, "tuning.input", ["missing field(s): tuning.Input"]),
        ({"tuning.input": None}, "tuning.input", ["missing field(s): tuning.Input"]),
        ({"tuning.output": ...}, "tuning.output", ["missing field(s): tuning.Output"]),
        ({"tuning.preset": ...}, "tuning.preset", ["missing field(s): tuning.Preset"]),
        ({"tuning.metod": "lora"}, "tuning.metod", ["did you mean 'method'"]),
        ({"tuning.input.url": []}, "tuning.input.url", ["did you mean 'urls'"]),
        ({"tuning.output.imagePushSecrets": []}, "tuning.output.imagePushSecrets", ["'imagePushSecret'"]),
        ({"tuning.preset.accessMode": "secret"}, "tuning.preset.accessMode", ["public or private"]),
        ({"tuning.preset.presetOptions": {"images": "x"}}, "tuning.preset.presetOptions.images", ["'image'"]),
        ({"tuning.input.name": "Upper_case"}, "tuning.input.name", ["DNS subdomain"]),
        ({"tuning.input": {"volume": CLAIM}}, "tuning.input.volume", ["did you mean 'volumeSource'"]),
    ],
)
def test_refused(judge: Judge, changes: dict[str, object], path: str, words: list[str]) -> None:
    messages = [problem.message for problem in judge(changes).problems if problem.path == path]
    assert messages
    assert all(word in messages[0] for word in words)


@pytest.mark.parametrize("version", ["kaito.sh/v1alpha1", "kaito.sh/v1beta1"])
@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"tuning.input": {"urls": ["http://169.254.169.254/x"]}}, "tuning.input.urls[0]"),
        ({"tuning.input": {"urls": ["https://a.com/x"], "image": IMAGE}}, "tuning.input"),
        ({"tuning.output": {"image": IMAGE}}, "tuning.output.imagePushSecret"),
        ({"tuning.config": "nowhere"}, "tuning.config"),
        ({"resource.partition": {"mode": "mig"}}, "resource.partition"),
    ],
)
def test_both_versions_have_the_same_rules(
    refused: Refused, changes: dict[str, object], path: str, version: str
) -> None:
    assert refused(path, {**changes, "apiVersion": version})


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        *((name, name) for name in tunable_presets()),
        ("PHI-4", "phi-4"),
        ("Falcon-7B", "falcon-7b"),
        ("phi-3-mini", "phi-3-mini-4k-instruct"),
        ("some-org/some-model", "some-org/some-model"),
        ("org/model/deeper", "org/model/deeper"),
    ],
)
def test_presets_that_can_be_tuned(judge: Judge, name: str, canonical: str) -> None:
    verdict = judge({"tuning.preset": {"name": name}})
    assert verdict.spec is not None
    assert verdict.spec.preset == canonical


@pytest.mark.parametrize(
    "name",
    ["", " ", "/", "/m", "o/", "o//m", "falcon", "../../etc", "a/..", "./x", "a/b c", "a/\x00", "x" * 300 + "/y"],
)
def test_presets_that_nobody_knows(refused: Refused, name: str) -> None:
    assert "Unsupported tuning preset name" in refused("tuning.preset.name", {"tuning.preset": {"name": name}})


def test_a_misspelt_preset_names_the_nearest(refused: Refused) -> None:
    assert "did you mean 'falcon-7b'" in refused("tuning.preset.name", {"tuning.preset": {"name": "falcom-7b"}})


@pytest.mark.parametrize("name", ["llama-3.1-8b-instruct", "GPT-OSS-20b", "Gemma-3-4b-Instruct", *NOT_TUNABLE])
def test_presets_that_cannot_be_tuned_are_refused_with_those_that_can(refused: Refused, name: str) -> None:
    message = refused("tuning.preset.name", {"tuning.preset": {"name": name}})
    assert "cannot be tuned" in message
    assert all(tunable in message for tunable in tunable_presets())


def test_deprecated_preset_options_pass_with_a_warning(judge: Judge) -> None:
    options = {"image": "registry.example.com/kaito-falcon-7b:1", "imagePullSecrets": ["x"], "modelAccessSecret": "hf"}
    verdict = judge({"tuning.preset": {"name": "falcon-7b", "accessMode": "private", "presetOptions": options}})
    assert verdict.valid
    assert [warning for warning in verdict.warnings if "presetOptions.image" in warning]
    assert [warning for warning in verdict.warnings if "modelAccessSecret" in warning]


@pytest.mark.parametrize(
    "source",
    [
        {},
        {"urls": []},
        {"image": ""},
        {"volumeSource": None},
        {"urls": ["https://a.com/x"], "image": IMAGE},
        {"urls": ["https://a.com/x"], "volumeSource": CLAIM},
        {"image": IMAGE, "volumeSource": CLAIM},
        {"urls": ["https://a.com/x"], "image": IMAGE, "volumeSource": CLAIM},
    ],
)
def test_input_is_exactly_one(refused: Refused, source: dict[str, object]) -> None:
    message = refused("tuning.input", {"tuning.input": source})
    assert "Exactly one of URLs, Volume, or Image must be specified" in message


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ({"urls": ["https://a.com/x"]}, "urls"),
        ({"image": IMAGE, "imagePullSecrets": ["a", "b"]}, "image"),
        ({"image": "busybox", "urls": []}, "image"),
        ({"volumeSource": CLAIM, "image": ""}, "volume"),
        ({"volumeSource": {"hostPath": {"path": "/data/rows", "type": "Directory"}}}, "volume"),
        ({"name": "my.data-1", "urls": ["https://a.com/x", "https://b.com/x"]}, "urls"),
    ],
)
def test_inputs_that_are_taken(judge: Judge, source: dict[str, object], kind: str) -> None:
    verdict = judge({"tuning.input": source})
    assert verdict.spec is not None
    assert verdict.spec.input.kind == kind


@pytest.mark.parametrize(
    ("source", "path", "words"),
    [
        ({"image": "Bad"}, "tuning.input.image", ["Unable to parse input image reference: invalid reference format"]),
        ({"image": "a.com/Bad"}, "tuning.input.image", ["must be lowercase"]),
        ({"image": 5}, "tuning.input.image", ["expected text"]),
        ({"urls": ["https://a.com/x", "/x"]}, "tuning.input.urls[1]", ["invalid data source URL"]),
        ({"urls": ["https://a.com/x#sha256=12"]}, "tuning.input.urls[0]", ["#sha256=12 is no pin", "64 hex digits"]),
        ({"urls": [7]}, "tuning.input.urls[0]", ["expected text"]),
        ({"urls": "https://a.com/x"}, "tuning.input.urls", ["expected a list"]),
        ({"urls": ["http://localhost/x"]}, "tuning.input.urls[0]", ["must not target a local or metadata endpoint"]),
        ({"volumeSource": {}}, "tuning.input.volumeSource", ["exactly one of"]),
        ({"volumeSource": {"nfs": {"server": "x"}}}, "tuning.input.volumeSource.nfs", ["persistentVolumeClaim"]),
        ({"volumeSource": "x"}, "tuning.input.volumeSource", ["expected a map"]),
        (
            {"volumeSource": {"persistentVolumeClaim": {"claimName": "../x"}}},
            "tuning.input.volumeSource.persistentVolumeClaim.claimName",
            ["not the name of a claim"],
        ),
        (
            {"volumeSource": {"hostPath": {"path": "data"}}},
            "tuning.input.volumeSource.hostPath.path",
            ["absolute path"],
        ),
        (
            {"volumeSource": {"hostPath": {"path": "/data/../etc"}}},
            "tuning.input.volumeSource.hostPath.path",
            ["without '..'"],
        ),
        (
            {"image": IMAGE, "imagePullSecrets": ["../../x"]},
            "tuning.input.imagePullSecrets[0]",
            ["not the name of a secret"],
        ),
    ],
)
def test_inputs_that_are_refused(judge: Judge, source: dict[str, object], path: str, words: list[str]) -> None:
    messages = [problem.message for problem in judge({"tuning.input": source}).problems if problem.path == path]
    assert messages
    assert all(word in messages[0] for word in words)


@pytest.mark.parametrize("output", [{}, {"image": ""}, {"image": IMAGE, "imagePushSecret": "s", "volumeSource": CLAIM}])
def test_output_is_exactly_one(refused: Refused, output: dict[str, object]) -> None:
    message = refused("tuning.output", {"tuning.output": output})
    assert "missing field(s): Exactly one of Volume or Image must be specified" in message


def test_an_output_image_needs_its_push_secret(refused: Refused) -> None:
    message = refused("tuning.output.imagePushSecret", {"tuning.output": {"image": IMAGE}})
    assert "Must specify imagePushSecret with destination image" in message


def test_an_output_image_must_parse(refused: Refused) -> None:
    message = refused("tuning.output.image", {"tuning.output": {"image": "a b", "imagePushSecret": "s"}})
    assert "Unable to parse output image reference: invalid reference format" in message


def test_an_output_volume_must_take_writes(refused: Refused) -> None:
    claim = {"persistentVolumeClaim": {"claimName": "c", "readOnly": True}}
    assert "readOnly" in refused("tuning.output.volumeSource", {"tuning.output": {"volumeSource": claim}})


def test_an_output_volume_needs_no_secret(judge: Judge) -> None:
    verdict = judge({"tuning.output": {"volumeSource": CLAIM}})
    assert verdict.spec is not None
    assert verdict.spec.output.volume is not None
    assert verdict.spec.output.volume.claim_name == "rows"


def test_a_source_that_settings_allow_is_taken(judge: Judge, refused: Refused) -> None:
    changes = {"tuning.input": {"urls": ["http://127.0.0.1:9000/rows.jsonl"]}}
    assert judge(changes, source_allow=["127.0.0.1:9000"]).valid
    assert "loopback, private, or link-local" in refused("tuning.input.urls[0]", changes, source_allow=["127.0.0.1:1"])


def test_secrets_that_are_missing_are_problems_where_they_can_be_known(judge: Judge) -> None:
    changes = {"tuning.input": {"image": IMAGE, "imagePullSecrets": ["pull"]}}
    verdict = judge(changes, secret_exists={"push"}.__contains__)
    assert [problem.path for problem in verdict.problems] == ["tuning.input.imagePullSecrets[0]"]
    assert "LORABUS_SECRETS_DIR" in verdict.problems[0].message
    verdict = judge(changes, secret_exists={"pull"}.__contains__)
    assert [problem.path for problem in verdict.problems] == ["tuning.output.imagePushSecret"]
    assert judge(changes, secret_exists={"pull", "push"}.__contains__).warnings == ()


def test_secrets_that_nothing_uses_are_not_missed(judge: Judge) -> None:
    """As in KAITO, which does not mount them: data that need no image to be pulled, an adapter that is not pushed."""
    changes = {
        "tuning.input": {"urls": ["https://a.com/x"], "imagePullSecrets": ["pull"]},
        "tuning.output": {"volumeSource": CLAIM, "imagePushSecret": "push"},
    }
    verdict = judge(changes, secret_exists=lambda _: False)
    assert (verdict.problems, verdict.warnings) == ((), ())
    wrong = judge({"tuning.input.imagePullSecrets": "pull"})
    assert [problem.path for problem in wrong.problems] == ["tuning.input.imagePullSecrets"]


def test_secrets_are_warnings_where_they_cannot_be_known(judge: Judge) -> None:
    verdict = judge({"tuning.input": {"image": IMAGE, "imagePullSecrets": ["PULL_SECRET_HERE"]}})
    assert verdict.valid
    assert [warning for warning in verdict.warnings if "'push'" in warning]
    assert [warning for warning in verdict.warnings if "'PULL_SECRET_HERE'" in warning]
