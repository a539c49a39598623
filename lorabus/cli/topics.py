"""`lorabus topics apply`: create the topics of `schemas.topics`, or check those that exist."""

import asyncio

from lorabus.cli.output import json_line, result
from lorabus.faults import DONE
from lorabus.kafka import CONNECT_SECONDS, within
from lorabus.settings import CallerSettings, read_settings
from schemas.topics import BY_NAME
from services.common.kafka.topics import apply_topics


def apply(*, as_json: bool) -> int:
    """Say of each topic whether it was made or was there."""
    for name, outcome in asyncio.run(_apply(read_settings())).items():
        topic = BY_NAME[name]
        if as_json:
            json_line({"topic": name, "outcome": outcome, "policy": topic.policy, "partitions": topic.partitions})
        else:
            result(f"{name:<22} {outcome:<8} {topic.policy:<8} {topic.purpose}")
    return DONE


async def _apply(settings: CallerSettings) -> dict[str, str]:
    return await within(2 * CONNECT_SECONDS, apply_topics(settings), settings)
