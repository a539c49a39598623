"""Reads on behind a record with a header whose name is not UTF-8.

Kafka takes such a record from anybody; aiokafka raises in the middle of its batch, and meets it again at each fetch:
one record would hold up its partition for ever. There is no way to reach it with aiokafka, so it is passed over,
together with what its producer sent behind it in the same batch, and told.
"""

from collections.abc import Iterator

import structlog
from aiokafka import ConsumerRecord
from aiokafka.consumer import fetcher

log = structlog.get_logger()


class Reading(fetcher.PartitionRecords):  # type: ignore[misc]
    """What was fetched of one partition."""

    def _unpack_records(self) -> Iterator[ConsumerRecord]:
        while True:
            try:
                yield from super()._unpack_records()
            except UnicodeDecodeError as error:
                log.error(  # noqa: TRY400  # The words say all; a trace for each offset would hide them.
                    "records are passed over: a header's name is not UTF-8",
                    topic=self._tp.topic,
                    partition=self._tp.partition,
                    offset=self.next_fetch_offset,
                    error=str(error),
                )
                # Of the last batch that was fetched the rest comes again, and is passed over offset by offset.
                self.next_fetch_offset += 1
            else:
                return


# aiokafka makes them by this name, and takes no other from its callers.
fetcher.PartitionRecords = Reading
