"""Every code and every setting of the datasets stands in their page."""

import re
from pathlib import Path

from services.trainer.dataset.problems import Code

PAGE = (Path(__file__).parents[5] / "docs" / "datasets.md").read_text()


def test_the_page_has_exactly_the_codes_that_there_are() -> None:
    table = PAGE.partition("| code |")[2]
    assert set(re.findall(r"^\| `([a-z_]+)`", table, re.MULTILINE)) == set(Code)
