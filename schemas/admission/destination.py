"""`tuning.output`: exactly one of image (with its push secret) and volume."""

from schemas.admission.reading import Part, Reader
from schemas.admission.secrets import check_secret
from schemas.admission.source import read_image
from schemas.admission.surroundings import Surroundings
from schemas.admission.volumes import read_volume

_FIELDS = {"volumeSource", "image", "imagePushSecret"}
_EXACTLY_ONE = "missing field(s): Exactly one of Volume or Image must be specified"
_NO_SECRET = "missing field(s): Must specify imagePushSecret with destination image"  # noqa: S105  # KAITO's words.


def read_output(tuning: Reader, around: Surroundings) -> Part | None:
    output = tuning.child("output", _FIELDS)
    if output is None:
        tuning.refuse("output", "missing field(s): tuning.Output; say where the adapter goes: image or volumeSource")
        return None
    image, secret, volume = output.text("image"), output.text("imagePushSecret"), output.get("volumeSource")
    parsed_image = read_image(image, "output", output.at("image"), output.findings) if image else None
    parsed_volume = read_volume(volume, output.at("volumeSource"), output.findings) if volume is not None else None
    if parsed_image and "@" in parsed_image:
        why = "nobody knows the digest of what is yet to be trained; the image gets the job's own tag only"
        output.findings.warn(f"{output.at('image')}: {why}")
    if parsed_volume and parsed_volume.get("read_only"):
        output.refuse("volumeSource", "the adapter could not be written: the claim is readOnly; remove that")
    if image and not secret:
        output.refuse("imagePushSecret", f"{_NO_SECRET}: the dockerconfigjson secret of its registry")
    if image and secret:
        check_secret(secret, output.at("imagePushSecret"), around, output.findings)
    if (volume is not None) == bool(image):
        output.findings.refuse(output.path, f"{_EXACTLY_ONE}; there is {'both' if image else 'neither'}")
        return None
    return {
        "kind": "image" if image else "volume",
        "image": parsed_image,
        "push_secret": secret if image else None,
        "volume": parsed_volume,
    }
