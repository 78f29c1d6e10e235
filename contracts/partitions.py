"""Which partition of chat a conversation belongs to, so that it has one writer at any time."""

from zlib import crc32


def partition_of(conversation_id: str, count: int) -> int:
    """The partition, from 0 to ``count - 1``: the same for every publisher and every release."""
    return crc32(conversation_id.encode()) % count


def partition_queue(partition: int) -> str:
    """The name of the partition's queue."""
    return f"chat.p.{partition:02d}"


def partition_key(partition: int, count: int) -> str:
    """The routing key of the commands to a partition: one that no queue takes unless ``count`` is in force."""
    return f"{partition_queue(partition)}.of.{count}"


def command_key(conversation_id: str, count: int) -> str:
    """The routing key of the commands to a conversation."""
    return partition_key(partition_of(conversation_id, count), count)
