// Kafka's own encoders write every message in every version: what t/710-wire.t compares ours with.
//
//   java -cp <jars> Golden.java KEY:LAST...  > golden.txt
//
// A line per message: key version request|response hex json.  The json is what Kafka's converter
// makes of the message after Kafka's decoder has read the hex again.  Per version: one message
// with nothing but defaults and empty arrays, one with all that the version can say, and
// one with null wherever it may be.  The values are made from the names of fields and the version, so
// that a run gives the same lines again.
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.*;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.*;
import org.apache.kafka.common.protocol.*;

public class Golden {
    enum Fill { LEAST, MOST, NULLS }

    static final JsonMapper mapper = JsonMapper.builder()
        .enable(JsonReadFeature.ALLOW_JAVA_COMMENTS).build();
    static Map<String, JsonNode> common;
    static short version;
    static int seed;

    static boolean has(JsonNode spec, String key) {
        JsonNode v = spec.get(key);
        if (v == null || v.asText().equals("none"))
            return false;
        String[] r = v.asText().split("-");
        if (v.asText().endsWith("+"))
            return version >= Integer.parseInt(v.asText().replace("+", ""));
        return version >= Integer.parseInt(r[0]) && version <= Integer.parseInt(r[r.length - 1]);
    }

    static JsonNode value(String type, String name, Fill fill) {
        seed = seed * 31 + name.hashCode() + version;
        int x = seed;
        switch (type) {
        case "bool": return BooleanNode.valueOf(true);
        case "int8": return IntNode.valueOf((byte) x);
        case "int16": return IntNode.valueOf((short) x);
        case "uint16": return IntNode.valueOf(x & 0xffff);
        case "int32": return IntNode.valueOf(x);
        case "int64": return LongNode.valueOf((long) x << 29 ^ x);
        case "float64": return DoubleNode.valueOf(x / 8.0);
        case "uuid": return TextNode.valueOf(new org.apache.kafka.common.Uuid(x * 77777777L, x).toString());
        case "string": return TextNode.valueOf(name + "-" + (x & 0xff) + (x % 5 == 0 ? "-äß\"" : ""));
        case "bytes": case "records":
            byte[] b = new byte[(x & 15) + 1];
            new Random(x).nextBytes(b);
            return BinaryNode.valueOf(b);
        default: throw new IllegalArgumentException(type);
        }
    }

    static JsonNode fields(JsonNode specs, Fill fill) {
        ObjectNode o = mapper.createObjectNode();
        for (JsonNode f : specs) {
            if (!has(f, "versions"))
                continue;
            String name = f.get("name").asText(), type = f.get("type").asText();
            String key = name.substring(0, 1).toLowerCase() + name.substring(1);
            boolean tagged = has(f, "taggedVersions");
            if (tagged && fill == Fill.LEAST)
                continue;
            if (fill == Fill.NULLS && has(f, "nullableVersions")) {
                o.putNull(key);
                continue;
            }
            boolean array = type.startsWith("[]");
            String base = array ? type.substring(2) : type;
            JsonNode inner = f.has("fields") ? f.get("fields") : common.get(base);
            if (array) {
                ArrayNode a = o.putArray(key);
                for (int i = 0; i < 2 && fill != Fill.LEAST; i++)
                    a.add(inner != null ? fields(inner, fill) : value(base, name, fill));
            } else if (inner != null) {
                o.set(key, fields(inner, fill));
            } else {
                o.set(key, value(base, name, fill));
            }
        }
        return o;
    }

    static String hex(ByteBuffer b) {
        StringBuilder s = new StringBuilder();
        while (b.hasRemaining())
            s.append(String.format("%02x", b.get()));
        return s.toString();
    }

    static void message(ApiKeys api, JsonNode spec, Fill fill) throws Exception {
        String cls = "org.apache.kafka.common.message." + spec.get("name").asText() + "Data";
        Class<?> json = Class.forName(cls + "JsonConverter");
        seed = api.id * 1000 + version;
        JsonNode in = fields(spec.get("fields"), fill);
        ApiMessage m = (ApiMessage) json.getMethod("read", JsonNode.class, short.class)
            .invoke(null, in, version);
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer b = ByteBuffer.allocate(m.size(cache, version));
        m.write(new ByteBufferAccessor(b), cache, version);
        b.flip();
        ApiMessage again = (ApiMessage) Class.forName(cls).getConstructor().newInstance();
        again.read(new ByteBufferAccessor(b.duplicate()), version);
        JsonNode out = (JsonNode) json.getMethod("write", again.getClass(), short.class, boolean.class)
            .invoke(null, again, version, false);
        System.out.println(api.id + " " + version + " " + spec.get("type").asText() + " " + hex(b) + " " + out);
    }

    static void api(int key, short last, String type) throws Exception {
        ApiKeys api = ApiKeys.forId(key);
        String kind = type.equals("request") ? "Request" : "Response";
        InputStream in = Golden.class.getClassLoader()
            .getResourceAsStream("common/message/" + api.name + kind + ".json");
        JsonNode spec = mapper.readTree(in);
        common = new HashMap<>();
        if (spec.has("commonStructs"))
            for (JsonNode c : spec.get("commonStructs"))
                common.put(c.get("name").asText(), c.get("fields"));
        for (version = api.messageType.lowestSupportedVersion(); version <= last; version++)
            for (Fill fill : Fill.values())
                message(api, spec, fill);
    }

    public static void main(String[] args) throws Exception {
        for (String a : args) {
            String[] p = a.split(":");
            for (String type : new String[] { "request", "response" })
                api(Integer.parseInt(p[0]), Short.parseShort(p[1]), type);
        }
    }
}
