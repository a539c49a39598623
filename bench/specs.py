"""The spec of a job of which only the input matters, for benches and tests."""

from schemas.workspace import InputSpec, ModelRef, OutputSpec, ResolvedSpec, VolumeSource


def spec_of(source: InputSpec, **config: object) -> ResolvedSpec:
    """`config` are sections of the training config."""
    return ResolvedSpec(
        namespace="default",
        name="job",
        preset="tiny",
        model=ModelRef(repository="lorabus/tiny", revision="1"),
        method="lora",
        input=source,
        output=OutputSpec(kind="volume", volume=VolumeSource(claim_name="out")),
        output_dir="/mnt/results",
        config=config,
    )
