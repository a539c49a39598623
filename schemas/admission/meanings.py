"""Texts of `training_config.yaml` that say more than their type: paths, formats, templates."""

import codecs
import re
from posixpath import normpath

from schemas.admission.sections import Place, Values
from schemas.document_limits import check_text
from schemas.presets import Preset
from schemas.problems import did_you_mean, shown

EXTENSIONS = ("csv", "tsv", "json", "jsonl", "ndjson", "parquet", "arrow", "feather", "webdataset", "tar")
_ESCAPE = re.compile(r"\\(?:[\\'\"abfnrtv]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4})")


def read_dataset_path(values: Values, place: Place) -> None:
    """A path below /mnt, where the data are in `data`; KAITO cuts slashes at its ends."""
    given = values.get("dataset_path")
    if given is None:
        return
    path = given.strip("/")
    if path and (".." in path.split("/") or normpath(path) == "."):
        place.refuse(
            "dataset_path", f"invalid value: {shown(given)!r} must be a file below /mnt, such as data/rows.jsonl"
        )
    values["dataset_path"] = normpath(path) if path else None


def read_dataset_extension(values: Values, place: Place) -> None:
    given = values.get("dataset_extension")
    extension = given.lower().lstrip(".") if given else None
    if extension and extension not in EXTENSIONS:
        hint = did_you_mean(extension, EXTENSIONS) or f"; it must be one of {', '.join(EXTENSIONS)}"
        place.refuse("dataset_extension", f"invalid value: {shown(given)!r}{hint}")
    if "dataset_extension" in values:
        values["dataset_extension"] = extension


def read_chat_template(values: Values, preset: Preset | None, place: Place) -> None:
    """Text with a brace or a line break is the template itself, with KAITO's escapes; anything else names a file."""
    given = values.get("chat_template")
    if given is None:
        return
    if not {"{", "}", "\n"} & set(given):
        _check_file(given, preset, place)
        values["chat_template"] = None
        return
    template = _ESCAPE.sub(lambda found: codecs.decode(found[0], "unicode_escape"), given)
    try:
        check_text(template)
    except ValueError as error:
        place.refuse("chat_template", f"invalid value: {error}")
    values["chat_template"] = template


def _check_file(given: str, preset: Preset | None, place: Place) -> None:
    """The model's own template, by the name that KAITO's image has for it, is used anyway."""
    name = given.rpartition("/")[2].removesuffix(".jinja")
    if preset and preset.chat_template and name.replace("-", "") == preset.chat_template.replace("-", ""):
        place.warn("chat_template", f"has no effect: {preset.name} brings this template itself")
        return
    text = "no file is read: put the template itself here, inline, as text with '{'"
    place.refuse("chat_template", f"invalid value: {shown(given)!r}: {text}")
