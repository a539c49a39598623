import pytest

from schemas.failures import Reason
from services.common.errors import UserError
from services.trainer.planning.targets import resolve_targets

LLAMA = [f"model.layers.{n}.{part}" for n in (0, 1) for part in ("self_attn.q_proj", "self_attn.v_proj", "mlp.up_proj")]
PHI3 = [
    f"model.layers.0.{part}" for part in ("self_attn.qkv_proj", "self_attn.o_proj", "mlp.gate_up_proj", "mlp.down_proj")
]
FUSED = dict.fromkeys(("q_proj", "k_proj", "v_proj"), "qkv_proj") | {
    "gate_proj": "gate_up_proj",
    "up_proj": "gate_up_proj",
}


@pytest.mark.parametrize("wanted", [None, "all-linear", ["all-linear"]])
def test_without_names_all_linear_modules_are_meant(wanted: object) -> None:
    assert resolve_targets(wanted, LLAMA, {}) == "all-linear"


def test_names_are_kept_as_they_are() -> None:
    assert resolve_targets(["q_proj", "self_attn.v_proj"], LLAMA, {}) == ["q_proj", "self_attn.v_proj"]


def test_split_names_become_the_fused_modules_that_the_model_has() -> None:
    wanted = ["k_proj", "q_proj", "v_proj", "o_proj", "gate_proj", "down_proj", "up_proj"]
    assert resolve_targets(wanted, PHI3, FUSED) == ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]


def test_one_pattern_is_a_regular_expression() -> None:
    assert resolve_targets([r".*\.1\..*_proj"], LLAMA, {}) == r".*\.1\..*_proj"


@pytest.mark.parametrize("wanted", [["q_porj"], ["v_proj", "q_porj"], r".*\.9\..*", []])
def test_what_matches_nothing_is_refused_with_what_there_is(wanted: object) -> None:
    with pytest.raises(UserError, match="not found in the model") as refused:
        resolve_targets(wanted, LLAMA, {})
    assert refused.value.reason is Reason.TARGET_MODULES_NOT_FOUND
    assert "q_proj, up_proj, v_proj" in refused.value.message


def test_a_misspelt_name_is_told_the_right_one() -> None:
    with pytest.raises(UserError, match="did you mean 'q_proj'"):
        resolve_targets(["q_porj"], LLAMA, {})


def test_a_broken_pattern_is_the_configs_fault() -> None:
    with pytest.raises(UserError) as refused:
        resolve_targets("([", LLAMA, {})
    assert refused.value.reason is Reason.CONFIG_INVALID
