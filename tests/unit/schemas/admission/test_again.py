"""Whatever is admitted once is the same job when it comes again, in each form in which the first can be known."""

import copy
import json
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.admission import admit
from schemas.identity import job_id
from schemas.workspace import ResolvedSpec

Make = Callable[[dict[str, object]], dict[str, Any]]

EXPRESSION = st.fixed_dictionaries(
    {"key": st.sampled_from(["app", "gpu"]), "operator": st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"])},
    optional={"values": st.lists(st.sampled_from(["x", "y"]), max_size=2)},
)
PLACES: dict[str, list[Any]] = {
    "apiVersion": ["kaito.sh/v1alpha1", "kaito.sh/v1beta1"],
    "metadata.namespace": [None, "", "default", "team"],
    "resource.count": [None, 0, 1],
    "resource.preferredNodes": [None, [], ["a"]],
    "tuning.preset": [{"name": name} for name in ("Tiny", "phi-3-mini", "Microsoft/PHI-4", "org/model", "falcon-7b")],
    "tuning.preset.accessMode": [None, "", "public", "private"],
    "tuning.preset.presetOptions": [None, {}, {"image": ""}, {"imagePullSecrets": ["a", "b"]}],
    "tuning.method": ["lora", "LoRA", "QLORA"],
    "tuning.config": [None, "", "lora-params-template", "mine"],
    "tuning.input.name": [None, "", "rows"],
    "tuning.input": [{"image": "busybox", "imagePullSecrets": ["b", "a", "b"]}, {"urls": ["http://A.com#x"]}],
    "tuning.output": [
        {"volumeSource": {"persistentVolumeClaim": {"claimName": "c", "readOnly": False}}},
        {"volumeSource": {"hostPath": {"path": "//a//b/"}}, "image": ""},
    ],
}
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "resource.labelSelector": st.fixed_dictionaries(
            {},
            optional={
                "matchLabels": st.just({"app": "x"}),
                "matchExpressions": st.none() | st.lists(EXPRESSION, max_size=3),
            },
        ),
        **{path: st.sampled_from(values) for path, values in PLACES.items()},
    },
)
MAPS = {"mine": {"training_config.yaml": "training_config: {LoraConfig: {r: '4'}, TrainingArguments: {seed: 7.0}}"}}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES)
def test_what_was_admitted_is_the_same_job_again(workspace: Make, changes: dict[str, Any]) -> None:
    made = workspace(dict(sorted(copy.deepcopy(changes).items())))
    spec = admit(made, config_maps=MAPS).spec
    if spec is None:
        return
    for existing in (
        made,
        json.loads(json.dumps(made)),
        spec,
        ResolvedSpec.model_validate_json(spec.model_dump_json()),
    ):
        again = admit(made, config_maps=MAPS, existing=existing)
        assert again.problems == ()
        assert again.spec is not None
        assert job_id(again.spec) == job_id(spec)
