import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Kafka's own client, which reads and prints as reader.py does: Reader.java TOPIC PARTITIONS MS GROUP PREFIX. */
public class Reader {
    private final PrintWriter to;
    private final Path until;
    private final Map<Integer, Long> next = new HashMap<>();

    private Reader(String path) throws IOException {
        to = new PrintWriter(path, StandardCharsets.US_ASCII);
        until = Path.of(path + ".until");
    }

    private static String hexed(byte[] bytes) {
        return bytes == null ? "-" : HexFormat.of().formatHex(bytes);
    }

    private void add(ConsumerRecord<byte[], byte[]> r) {
        List<String> headers = new ArrayList<>();
        r.headers().forEach(
            h -> headers.add(hexed(h.key().getBytes(StandardCharsets.UTF_8)) + "=" + hexed(h.value())));
        to.print(r.partition() + "\t" + r.offset() + "\t" + r.timestamp() + "\t" + hexed(r.key()) + "\t"
            + hexed(r.value()) + "\t" + String.join(",", headers) + "\n");
        if (next.isEmpty())
            to.flush(); // so that it is seen that somebody reads
        next.put(r.partition(), r.offset() + 1);
    }

    /** Is a partition's end still ahead, or not known yet? */
    private boolean more() throws Exception {
        if (next.isEmpty())
            return true;
        while (!Files.exists(until))
            Thread.sleep(20);
        String[] ends = Files.readString(until).split(" ");
        for (int i = 0; i < ends.length; i++)
            if (next.getOrDefault(i, 0L) < Long.parseLong(ends[i]))
                return true;
        return false;
    }

    private void read(KafkaConsumer<byte[], byte[]> consumer) throws Exception {
        while (more())
            consumer.poll(Duration.ofMillis(100)).forEach(this::add);
        to.close();
    }

    public static void main(String[] args) throws Exception {
        String topic = args[0];
        List<TopicPartition> places = new ArrayList<>();
        Map<TopicPartition, Long> times = new HashMap<>();
        for (int i = 0; i < Integer.parseInt(args[1]); i++) {
            places.add(new TopicPartition(topic, i));
            times.put(places.get(i), Long.valueOf(args[2]));
        }
        Map<String, Object> config = Map.of("bootstrap.servers", System.getenv("BOOTSTRAP"), "group.id", args[3],
            "auto.offset.reset", "earliest", "enable.auto.commit", false, "max.poll.records", 100,
            "max.partition.fetch.bytes", 65536);
        for (String how : List.of("start", "time", "group", "next")) {
            var bytes = new ByteArrayDeserializer();
            try (var consumer = new KafkaConsumer<byte[], byte[]>(config, bytes, bytes)) {
                if (how.equals("start")) {
                    consumer.assign(places);
                    consumer.seekToBeginning(places);
                } else if (how.equals("time")) {
                    consumer.assign(places);
                    consumer.offsetsForTimes(times).forEach((place, found) -> consumer.seek(place, found.offset()));
                } else {
                    consumer.subscribe(List.of(topic));
                }
                new Reader(args[4] + "." + how).read(consumer);
                if (how.equals("group"))
                    consumer.commitSync();
            }
        }
    }
}
