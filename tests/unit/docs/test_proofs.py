"""What the pages promise is proved by tests that exist: a link whose text is a test's name leads to its file."""

import re

import pytest

from tests.unit.docs.pages import ROOT, blocks, links, pages

_TEST = re.compile(r"^`(test_\w+)`$")
PROOFS = [(link, found[1]) for page in pages() for link in links(page) if (found := _TEST.match(link.text))]
PROMISING = ("docs/guarantees.md", "docs/security.md")


@pytest.mark.parametrize("page", PROMISING)
def test_promises_come_with_tests(page: str) -> None:
    assert len([link for link, _ in PROOFS if link.page == page]) >= 10


@pytest.mark.parametrize("page", PROMISING)
def test_each_line_of_a_table_of_promises_names_a_test(page: str) -> None:
    """Tables whose last column is called so have nothing but tests in it."""
    text = (ROOT / page).read_text()
    tables = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    promises = [table for table in tables if table.splitlines()[0].rstrip("| ").endswith("proved by")]
    assert promises
    rows = [row for table in promises for row in table.splitlines()[2:]]
    assert [row for row in rows if "[`test_" not in row.rstrip("| ").rpartition(" | ")[2]] == []


def test_the_tests_that_are_named_exist() -> None:
    missing = [
        f"{link}: {name}"
        for link, name in PROOFS
        if not re.search(rf"^(async )?def {name}\(", link.target.read_text(), re.MULTILINE)
    ]
    assert missing == []


def test_blocks_are_closed() -> None:
    open_pages = [page for page in pages() if (ROOT / page).read_text().count("```") != 2 * len(blocks(page))]
    assert open_pages == []
