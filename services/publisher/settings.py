"""What a publisher can be told, beside what every service shares."""

from pathlib import Path

from pydantic import Field

from services.common.layers.plan import Compression
from services.common.settings import Settings


class PublisherSettings(Settings):
    """Settings of the publisher."""

    publish_retry_seconds: float = Field(
        default=900.0, ge=0, description="How long a registry that does not answer is tried again."
    )
    publish_at_once: int = Field(
        default=4, ge=1, description="Images that are pushed side by side to one registry or volume."
    )
    layer_compression: Compression = Field(
        default="gzip", description="gzip is what KAITO writes; here it stores, because weights do not compress."
    )
    signing_key_file: Path | None = Field(
        default=None,
        description="Key that images and their provenance are signed with, as `cosign generate-key-pair` makes it.",
    )
    signing_key_password_file: Path | None = Field(default=None, description="The key's password.")
    model_pack: bool = Field(
        default=False,
        description="Also write a CNCF ModelPack manifest over the same blobs, under the image's tag and `-modelpack`.",
    )
    registry_silence_seconds: float = Field(default=60.0, gt=0, description="Longest silence of a registry.")
