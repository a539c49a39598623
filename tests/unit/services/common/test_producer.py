"""Records of one key go where Kafka's own clients would put them."""

from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from services.common.kafka.producer import partition_of


@given(st.binary(min_size=1, max_size=80), st.integers(1, 40))
def test_a_key_has_the_partition_that_other_clients_give_it(key: bytes, count: int) -> None:
    partitions = list(range(count))
    for _ in range(2):
        assert partition_of(key, partitions, []) == DefaultPartitioner()(key, partitions, [])


def test_a_record_without_a_key_goes_to_a_partition_that_has_a_leader() -> None:
    assert {partition_of(None, [0, 1, 2], [1]) for _ in range(20)} == {1}
    assert partition_of(None, [0, 1, 2], []) in {0, 1, 2}
