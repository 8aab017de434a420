"""reader.py LIBRARY TOPIC HOW N [WHERE]: N records of partition 0, each a line: partition, offset, timestamp, key
and value, with tabs between them; for t/906-places.t.

LIBRARY: confluent or kafka-python.  HOW: start; time, from WHERE (ms) on; group, as a member of WHERE, which
commits what it has read.
"""
import os
import sys


def confluent(topic, how, n, where):
    from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

    consumer = Consumer({
        "bootstrap.servers": os.environ["BOOTSTRAP"], "group.id": where or "none", "auto.offset.reset": "earliest",
        "enable.auto.commit": False, "check.crcs": True, "fetch.wait.max.ms": 50})
    if how == "group":
        consumer.subscribe([topic])
    elif how == "time":
        consumer.assign(consumer.offsets_for_times([TopicPartition(topic, 0, int(where))], 60))
    else:
        consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    left = n
    while left > 0:
        for message in consumer.consume(left, timeout=0.5):
            if message.error():
                raise KafkaException(message.error())
            yield message.partition(), message.offset(), message.timestamp()[1], message.key(), message.value()
            left -= 1
    if how == "group":
        consumer.commit(asynchronous=False)
    consumer.close()


def kafka_python(topic, how, n, where):
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(
        bootstrap_servers=os.environ["BOOTSTRAP"], group_id=where if how == "group" else None,
        auto_offset_reset="earliest", enable_auto_commit=False, fetch_max_wait_ms=50)
    place = TopicPartition(topic, 0)
    if how == "group":
        consumer.subscribe([topic])
    else:
        consumer.assign([place])
        if how == "time":
            consumer.seek(place, consumer.offsets_for_times({place: int(where)})[place].offset)
        else:
            consumer.seek_to_beginning(place)
    left = n
    while left > 0:
        for records in consumer.poll(timeout_ms=2000, max_records=left).values():
            for r in records:
                yield r.partition, r.offset, r.timestamp, r.key, r.value
                left -= 1
    if how == "group":
        consumer.commit()
    consumer.close()


library, topic, how, n, where = (sys.argv[1:] + [None])[:5]
for *numbers, key, value in {"confluent": confluent, "kafka-python": kafka_python}[library](topic, how, int(n), where):
    sys.stdout.buffer.write(b"%d\t%d\t%d\t" % tuple(numbers) + key + b"\t" + value + b"\n")
