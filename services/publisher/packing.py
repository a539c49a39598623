"""How every image of this publisher is made, whatever is in it."""

from dataclasses import dataclass

from services.common.layers.plan import Compression
from services.publisher.settings import PublisherSettings
from services.publisher.signing_key import Signer, read_signer


@dataclass(frozen=True, slots=True)
class Packing:
    """The operator's choices."""

    compression: Compression = "gzip"
    signer: Signer | None = None
    model_pack: bool = False


def packing_of(settings: PublisherSettings) -> Packing:
    """Read them; a key that cannot be used is a `StartError`."""
    key = settings.signing_key_file
    signer = None if key is None else read_signer(key, settings.signing_key_password_file)
    return Packing(settings.layer_compression, signer, settings.model_pack)
