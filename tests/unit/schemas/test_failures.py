"""Every failure code is explained, and nothing is explained that does not exist."""

import re
from pathlib import Path

from schemas.failures import Reason

PAGE = Path(__file__).parents[3] / "docs" / "errors.md"


def test_page_and_codes_are_in_step() -> None:
    sections = re.findall(r"^### (\w+)$", PAGE.read_text(), re.MULTILINE)
    assert sorted(sections) == sorted(Reason)


def test_each_entry_says_what_happened_and_what_to_do() -> None:
    entries = re.split(r"^### ", PAGE.read_text(), flags=re.MULTILINE)[1:]
    silent = [
        entry.split()[0] for entry in entries if "**What happened.**" not in entry or "**What to do.**" not in entry
    ]
    assert silent == []


def test_the_page_groups_codes_as_they_are_retried() -> None:
    mend, again = PAGE.read_text().split("## The world's")
    assert {reason for reason in Reason if f"### {reason}\n" in mend} == {r for r in Reason if not r.retryable}
    assert {reason for reason in Reason if f"### {reason}\n" in again} == {r for r in Reason if r.retryable}


def test_help_points_at_the_entry() -> None:
    assert Reason.DATASET_EMPTY.help == "docs/errors.md#datasetempty"
