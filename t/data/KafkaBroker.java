/* Prints kafka-broker.properties: every option of a broker, with its default where it has one.
 *   java -cp 'lib/*' KafkaBroker.java
 * with the jars of Apache Kafka's broker in lib. */
import java.util.List;
import java.util.TreeMap;
import org.apache.kafka.common.config.ConfigDef;

public class KafkaBroker {
    static String text(Object v) {
        if (v instanceof List<?> list)
            return String.join(",", list.stream().map(Object::toString).toList());
        return v instanceof Class<?> c ? c.getName() : v.toString();
    }

    public static void main(String[] args) throws Exception {
        ConfigDef def =
            (ConfigDef) Class.forName("kafka.server.KafkaConfig").getMethod("configDef").invoke(null);

        new TreeMap<>(def.configKeys()).forEach((name, key) -> System.out.println(
            key.hasDefault() && key.defaultValue != null ? name + "=" + text(key.defaultValue) : name));
    }
}
