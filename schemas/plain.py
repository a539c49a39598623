"""Models that keep what their JSON says, for it is asked for again and again."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

import orjson
from pydantic import BaseModel


class Plain(BaseModel):
    """For frozen models: what is worked out once stays with the model, and a copy works it out anew."""

    @cached_property
    def plain(self) -> dict[str, Any]:
        """What its JSON says; not to be changed. By way of the text, which is four times as fast as `model_dump`."""
        plain: dict[str, Any] = orjson.loads(self.model_dump_json())
        return plain

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy may get other values."""
        copied = super().model_copy(update=update, deep=deep)
        for name in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[name]
        return copied
