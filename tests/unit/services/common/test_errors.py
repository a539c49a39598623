"""What is said of a fault can always be sent."""

from schemas.failures import Reason
from services.common.errors import UserError


def test_a_message_that_quotes_broken_bytes_is_text_all_the_same() -> None:
    """A `Location` with half a character in it ended each trainer that told of it, one after the other."""
    fault = UserError(Reason.SOURCE_REFUSED, "redirected to http://a\udcff/é")
    assert fault.message == str(fault) == "redirected to http://a\\udcff/é"
    assert fault.message.encode()
