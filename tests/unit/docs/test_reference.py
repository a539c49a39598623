"""The generated pages are what the code says, and leave nothing out."""

from bench.settings_table import BEGIN, DOCUMENT, END
from bench.settings_variants import VARIANTS
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


def test_every_measured_setting_is_on_the_page() -> None:
    """The table is what `python -m bench.settings --write` has put between its marks."""
    page = DOCUMENT.read_text()
    table = page[page.index(BEGIN) : page.index(END)]
    measured = [line.split(" | ")[0].strip("| `") for line in table.splitlines() if line.startswith("| ")]
    assert measured[2:] == ["base", *VARIANTS]
