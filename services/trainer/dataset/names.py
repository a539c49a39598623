"""What a file is called: from headers, addresses and paths that nobody vouches for."""

import re
from email.message import Message
from urllib.parse import unquote

MAX_NAME = 120
DATA_EXTENSIONS = ("csv", "tsv", "json", "jsonl", "ndjson", "parquet", "arrow", "feather", "tar", "webdataset")
COMPRESSED = ("gz", "zst")
# What the `datasets` library writes beside the rows.
_DESCRIPTIONS = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json")
_BY_TYPE = {
    "application/json": "json",
    "application/jsonl": "jsonl",
    "application/x-jsonlines": "jsonl",
    "application/x-ndjson": "jsonl",
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
    "application/vnd.apache.parquet": "parquet",
    "application/vnd.apache.arrow.file": "arrow",
    "application/x-tar": "tar",
}


def is_data_file(name: str) -> bool:
    """True when the extension is one of a data format, also in a compressed form, and the name not one of a note."""
    return data_extension(name) is not None and name.rpartition("/")[2] not in _DESCRIPTIONS


def data_extension(name: str) -> str | None:
    """`csv` of `a.CSV` and of `a.csv.gz`; None when it says nothing of the format."""
    parts = name.lower().rpartition("/")[2].split(".")[1:]
    if parts and parts[-1] in COMPRESSED:
        parts.pop()
    return parts[-1] if parts and parts[-1] in DATA_EXTENSIONS else None


def name_of(path: str, disposition: str | None, content_type: str | None, *, fallback: str) -> str:
    """A file name for a download: Content-Disposition, else the last part of the URL's path, else `fallback`.

    A name that does not tell the format gets an extension when the content type does.
    """
    name = _clean(_from_disposition(disposition) or "") or _clean(unquote(path.rpartition("/")[2])) or fallback
    kind = (content_type or "").partition(";")[0].strip().lower()
    if data_extension(name) is None and kind in _BY_TYPE:
        name = f"{name}.{_BY_TYPE[kind]}"
    return name


def _from_disposition(value: str | None) -> str | None:
    """`filename*` (RFC 6266) before `filename`."""
    if not value or len(value) > 4096:
        return None
    message = Message()
    if re.search(r"filename\*\s*=", value):  # The library prefers the other one.
        value = re.sub(r"""filename\s*=\s*("[^"]*"|[^;]*);?""", "", value)
    message["Content-Disposition"] = re.sub(r"[\r\n\0]", "", value)
    try:
        return message.get_filename()
    except (LookupError, ValueError):  # An unknown character set, or broken percent signs.
        return None


def _clean(name: str) -> str:
    """One path part of printable characters, that neither hides nor climbs; empty when nothing is left."""
    base = re.split(r"[/\\]", name)[-1]
    base = "".join(char if char.isprintable() else "_" for char in base).strip(" .")
    if len(base) <= MAX_NAME:
        return base
    stem, _, extension = base.rpartition(".")
    return f"{stem[: MAX_NAME - 20]}.{extension[:19]}" if stem else base[:MAX_NAME]
