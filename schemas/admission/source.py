"""`tuning.input`: exactly one of URLs, image and volume."""

from schemas.admission.reading import Part, Reader, is_subdomain
from schemas.admission.secrets import check_secret
from schemas.admission.surroundings import Surroundings
from schemas.admission.volumes import read_volume
from schemas.problems import Findings, shown
from schemas.references import InvalidReference, parse_reference
from schemas.source_urls import RefusedUrl, parse_source_url, split_pin

_FIELDS = {"name", "urls", "volumeSource", "image", "imagePullSecrets"}
_MAX_URLS, _MAX_SECRETS = 1000, 100
_EXACTLY_ONE = "Exactly one of URLs, Volume, or Image must be specified"


def read_input(tuning: Reader, around: Surroundings) -> Part | None:
    source = tuning.child("input", _FIELDS)
    if source is None:
        tuning.refuse("input", "missing field(s): tuning.Input; name the data by urls, image or volumeSource")
        return None
    name = source.text("name")
    if name and not is_subdomain(name):
        source.refuse("name", f"invalid value: {shown(name)!r} must be a DNS subdomain (a-z, 0-9, '-' and '.')")
    urls, image, volume = source.texts("urls"), source.text("image"), source.get("volumeSource")
    given_secrets = source.texts("imagePullSecrets")
    # Those of other sources are never used, so that none of them can be missed.
    secrets = _pull_secrets(source, given_secrets, around) if image else ()
    kinds = [kind for kind, given in (("urls", urls), ("image", image), ("volumeSource", volume is not None)) if given]
    parsed_urls = _urls(source, urls, around)
    parsed_image = read_image(image, "input", source.at("image"), source.findings) if image else None
    parsed_volume = read_volume(volume, source.at("volumeSource"), source.findings) if volume is not None else None
    if len(kinds) != 1:
        source.findings.refuse(source.path, f"{_EXACTLY_ONE}; there is {' and '.join(kinds) or 'none'}")
        return None
    return {
        "kind": "urls" if urls else "image" if image else "volume",
        "name": name or None,
        "urls": parsed_urls,
        "image": parsed_image,
        "pull_secrets": secrets,
        "volume": parsed_volume,
    }


def read_image(text: str, end: str, path: str, findings: Findings) -> str | None:
    """`end` is input or output, for KAITO's words."""
    try:
        return str(parse_reference(text))
    except InvalidReference as error:
        findings.refuse(path, f"invalid value: Unable to parse {end} image reference: {error}, got {shown(text)!r}")
        return None


def _urls(source: Reader, urls: tuple[str, ...], around: Surroundings) -> tuple[str, ...]:
    if len(urls) > _MAX_URLS:
        source.refuse("urls", f"more than {_MAX_URLS} URLs; put the files into one archive, an image or a volume")
        return ()
    parsed = []
    for index, url in enumerate(urls):
        if source.findings.full:
            break
        try:
            parsed.append(_url(url, around))
        except RefusedUrl as error:
            source.refuse(f"urls[{index}]", f"invalid value: {error}, got {shown(url)!r}")
    return tuple(parsed)


def _url(text: str, around: Surroundings) -> str:
    """As it is fetched, with the pin of its bytes behind it; any other fragment is cut."""
    url, pin = split_pin(text)
    fetched = str(parse_source_url(url, allow=around.source_allow))
    return f"{fetched}#{pin.replace(':', '=')}" if pin else fetched


def _pull_secrets(source: Reader, given: tuple[str, ...], around: Surroundings) -> tuple[str, ...]:
    secrets = tuple(dict.fromkeys(given))
    if len(secrets) > _MAX_SECRETS:
        source.refuse("imagePullSecrets", f"more than {_MAX_SECRETS} secrets")
        return ()
    for index, secret in enumerate(secrets):
        check_secret(secret, source.at(f"imagePullSecrets[{index}]"), around, source.findings)
    return secrets
