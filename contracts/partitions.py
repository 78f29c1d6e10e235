"""Which partition of chat a conversation belongs to, so that it has one writer at any time."""

from zlib import crc32


def partition_of(conversation_id: str, count: int) -> int:
    """The partition, from 0 to ``count - 1``: the same for every publisher and every release."""
    return crc32(conversation_id.encode()) % count


def partition_queue(partition: int) -> str:
    """The name of the partition's queue, which is also the routing key of its commands."""
    return f"chat.p.{partition:02d}"
