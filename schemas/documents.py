"""YAML and JSON files that nobody vouches for, as plain Python values.

Size, depth and what aliases add up to are bounded, so that a small file cannot become a large value. A key may stand
once only. Every problem has its line and column.
"""

from schemas.document_limits import MAX_BYTES, MAX_COST, NOT_TEXT, Document, DocumentError, position
from schemas.json_documents import NotJson, load_json

__all__ = ["Document", "DocumentError", "load_documents"]

_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


def load_documents(data: bytes | str, *, name: str, max_cost: int = MAX_COST) -> list[Document]:
    """Every document of a file that is not empty. `name` is what messages call the file, `max_cost` its budget."""
    text = _as_text(data, name)
    if name.endswith(".json"):
        return [Document(load_json(text, name=name, max_cost=max_cost), 0, 1)]
    if text.lstrip()[:1] in ("{", "["):
        try:
            return [Document(load_json(text, name=name, max_cost=max_cost), 0, 1)]
        except NotJson:
            pass  # YAML's own braces look alike.
    from schemas.yaml_documents import load_yaml  # noqa: PLC0415  # What travels is JSON and needs no YAML parser.

    return [document for document in load_yaml(text, name=name, max_cost=max_cost) if document.value is not None]


def _as_text(data: bytes | str, name: str) -> str:
    if len(data) > MAX_BYTES:
        raise DocumentError(f"larger than {MAX_BYTES >> 20} MiB; split it into several files", name=name)
    text = data if isinstance(data, str) else _decoded(data, name)
    found = NOT_TEXT.search(text)
    if found:
        line, column = position(text, found.start())
        message = f"the control character U+{ord(found[0]):04X} is not text; is this a text file?"
        raise DocumentError(message, name=name, line=line, column=column)
    return text


def _decoded(data: bytes, name: str) -> str:
    mark, encoding = next((known for known in _BYTE_ORDER_MARKS if data.startswith(known[0])), (b"", "utf-8"))
    body = data[len(mark) :]
    try:
        return body.decode(encoding)
    except UnicodeDecodeError as error:
        before = body[: error.start].decode(encoding)
        line, column = position(before, len(before))
        message = f"not {encoding.upper()}; save the file as UTF-8"
        raise DocumentError(message, name=name, line=line, column=column) from None
