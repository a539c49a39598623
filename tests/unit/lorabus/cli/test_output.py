"""Lines for programs are JSON whatever the terminal's alphabet."""

import io
import json

import pytest

from lorabus.cli.output import json_line


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "iso-8859-1"])
def test_a_line_is_json_in_every_alphabet(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding, errors="backslashreplace"))
    json_line({"name": "münchen 東京"})
    assert json.loads(written.getvalue().decode(encoding)) == {"name": "münchen 東京"}
