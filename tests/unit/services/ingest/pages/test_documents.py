"""The pages of `docs/` as ingest serves them."""

import re

import pytest

from services.ingest.pages.documents import anchor, document, names, target


@pytest.mark.parametrize("name", sorted(names()))
def test_every_link_of_a_page_leads_to_a_page_and_a_heading_that_are_served(name: str) -> None:
    _, html = document(name)
    for href in re.findall(r'href="([^"]*)"', html):
        page, _, place = href.partition("#")
        led_to = document(target(page, name))[1] if page else html
        assert not place or f'id="{place}"' in led_to, href
    assert "<img" not in html
    assert "<script" not in html


def test_a_page_that_is_not_there_cannot_lead_out_of_the_folder() -> None:
    for name in ("nothing", "../README", "adr/../../README"):
        with pytest.raises(KeyError):
            document(name)


def test_anchors_are_those_that_hosts_of_repositories_make() -> None:
    assert anchor("The request's or the data's: mend") == "the-requests-or-the-datas-mend"
