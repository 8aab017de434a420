"""reader.py LIBRARY TOPIC PARTITIONS MS GROUP PREFIX: the topic, read in four ways one after the other, into files
PREFIX.start, from the beginning; PREFIX.time, from MS on; PREFIX.group, as a member of GROUP, and PREFIX.next, as the
next one.  Each waits, with its first records read, for a file of the same name with .until behind it, which gives an
offset for each partition, and reads on until all have been reached.  For t/906-places.t, under which segments move
meanwhile: so it reads in small steps.

A line for each record: partition, offset, time, key, value and headers, with tabs between them and bytes in hex; "-"
is null.  LIBRARY: confluent or kafka-python.
"""
import os
import sys
import time

BATCH, STEP = 100, 65536  # records, bytes


def hexed(data):
    return "-" if data is None else data.hex()


class Lines:
    def __init__(self, path):
        self.to, self.until, self.next = open(path, "w"), path + ".until", {}

    def add(self, partition, offset, ms, key, value, headers):
        pairs = ",".join(f"{hexed(name.encode())}={hexed(data)}" for name, data in headers or ())
        print(partition, offset, ms, hexed(key), hexed(value), pairs, sep="\t", file=self.to)
        if not self.next:
            self.to.flush()  # so that it is seen that somebody reads
        self.next[partition] = offset + 1

    def more(self):
        """Is a partition's end still ahead, or not known yet?"""
        if not self.next:
            return True
        while not os.path.exists(self.until):
            time.sleep(0.02)
        with open(self.until) as ends:
            return any(self.next.get(i, 0) < int(end) for i, end in enumerate(ends.read().split()))


def confluent(topic, partitions, how, ms, group, to):
    from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

    consumer = Consumer({
        "bootstrap.servers": os.environ["BOOTSTRAP"], "group.id": group, "auto.offset.reset": "earliest",
        "enable.auto.commit": False, "check.crcs": True, "fetch.wait.max.ms": 50,
        "max.partition.fetch.bytes": STEP, "queued.min.messages": BATCH, "fetch.queue.backoff.ms": 1})
    if how in ("group", "next"):
        consumer.subscribe([topic])
    else:
        places = [TopicPartition(topic, i, ms if how == "time" else OFFSET_BEGINNING) for i in range(partitions)]
        consumer.assign(consumer.offsets_for_times(places, 60) if how == "time" else places)
    while to.more():
        for m in consumer.consume(BATCH, timeout=0.1):
            if m.error():
                raise KafkaException(m.error())
            to.add(m.partition(), m.offset(), m.timestamp()[1], m.key(), m.value(), m.headers())
    if how == "group":
        consumer.commit(asynchronous=False)
    consumer.close()


def kafka_python(topic, partitions, how, ms, group, to):
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(
        bootstrap_servers=os.environ["BOOTSTRAP"], group_id=group, auto_offset_reset="earliest",
        enable_auto_commit=False, fetch_max_wait_ms=50, max_partition_fetch_bytes=STEP)
    if how in ("group", "next"):
        consumer.subscribe([topic])
    else:
        places = [TopicPartition(topic, i) for i in range(partitions)]
        consumer.assign(places)
        if how == "time":
            for place, found in consumer.offsets_for_times({place: ms for place in places}).items():
                consumer.seek(place, found.offset)
        else:
            consumer.seek_to_beginning(*places)
    while to.more():
        # Any client of this library loses a join whose answer comes between two polls.
        for records in consumer.poll(timeout_ms=2000, max_records=BATCH).values():
            for r in records:
                to.add(r.partition, r.offset, r.timestamp, r.key, r.value, r.headers)
    if how == "group":
        consumer.commit()
    consumer.close()


library, topic, partitions, time_ms, group, prefix = sys.argv[1:]
for way in ("start", "time", "group", "next"):
    lines = Lines(f"{prefix}.{way}")
    {"confluent": confluent, "kafka-python": kafka_python}[library](
        topic, int(partitions), way, int(time_ms), group, lines)
    lines.to.close()
