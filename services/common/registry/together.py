"""Several requests side by side, with one fault for all."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import TypeVar

from services.common.registry.errors import RegistryRefused

Result = TypeVar("Result")


async def together(works: Iterable[Coroutine[None, None, Result]]) -> list[Result]:
    """Give the results in order; the first fault ends the others and is raised as it is, a final one before others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
    except ExceptionGroup as faults:
        errors = sorted(faults.exceptions, key=lambda error: not isinstance(error, RegistryRefused))
        raise errors[0] from None
    return [task.result() for task in tasks]
