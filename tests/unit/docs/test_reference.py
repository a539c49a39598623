"""The generated pages are what the code says, and leave nothing out."""

from docs import generate
from docs.reference.settings import CLASSES, own_fields
from tests.unit.docs.pages import ROOT


def test_pages_are_what_the_code_says() -> None:
    assert generate.drift() == [], "run `python -m docs.generate`"


def test_every_setting_is_described() -> None:
    silent = [name for kind in CLASSES.values() for name, field in own_fields(kind).items() if not field.description]
    assert silent == []


def test_every_setting_of_every_service_is_on_the_page() -> None:
    page = (ROOT / "docs/reference/settings.md").read_text()
    every = {name for kind in CLASSES.values() for name in kind.model_fields}
    assert [name for name in every if f"| `LORABUS_{name.upper()}` |" not in page] == []
