package io.github.flowpub.examples;

import static java.util.Objects.requireNonNullElse;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import io.github.flowpub.flow.v1.CounterKind;
import io.github.flowpub.flow.v1.ExportFormat;
import io.github.flowpub.flow.v1.FlowRecord;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.processor.StateRestoreListener;

/** Prints which hosts sent most in each minute, from all exporters together. */
public final class TopTalkers {
  private static final Duration MINUTE = Duration.ofMinutes(1);

  /** Partitions are read side by side, so one may be behind another by as much. What is later is not counted. */
  private static final Duration LATEST = Duration.ofHours(1);

  public static void main(String[] args) throws InterruptedException {
    KafkaStreams streams =
        new KafkaStreams(topology(setting("TOPIC", "flows"), Integer.parseInt(setting("TOP", "10"))), settings());
    CountDownLatch ended = new CountDownLatch(1);
    streams.setUncaughtExceptionHandler(
        e -> {
          e.printStackTrace();
          return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
    streams.setStateListener(
        (now, before) -> {
          System.err.println("state " + now);
          if (now == KafkaStreams.State.ERROR || now == KafkaStreams.State.NOT_RUNNING) {
            ended.countDown();
          }
        });
    streams.setGlobalStateRestoreListener(new Restored());
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    streams.start();
    ended.await();
    if (streams.state() == KafkaStreams.State.ERROR) {
      System.exit(1);
    }
  }

  static Topology topology(String topic, int top) {
    StreamsBuilder builder = new StreamsBuilder();
    KTable<Windowed<String>, Long> talkers =
        builder.stream(topic, Consumed.with(Serdes.String(), flows()))
            .filter((exporter, flow) -> isTraffic(flow))
            .flatMap((exporter, flow) -> sent(flow))
            .groupByKey(Grouped.with("by-host", Serdes.String(), Serdes.Long()))
            .windowedBy(TimeWindows.ofSizeAndGrace(MINUTE, LATEST))
            .reduce(Long::sum, Named.as("octets-of-host"), Materialized.with(Serdes.String(), Serdes.Long()));
    talkers
        .toStream()
        .map((w, octets) -> KeyValue.pair(w.window().startTime().toString(), w.key() + " " + octets))
        .groupByKey(Grouped.with("by-minute", Serdes.String(), Serdes.String()))
        // Sums only grow, so a host that fell behind the first ones comes back by an update of its own.
        .aggregate(() -> "", (minute, talker, list) -> withTalker(list, talker, top), Named.as("top"),
            Materialized.with(Serdes.String(), Serdes.String()))
        .toStream()
        .foreach((minute, list) -> System.out.println(minute + " " + list.replace('\n', ',')));
    return builder.build();
  }

  /** Leaves out what repeats traffic that other records have, or is none: docs/consumers.md, "What to sum". */
  static boolean isTraffic(FlowRecord flow) {
    boolean event = flow.getNatEvent() != 0 || (flow.getFirewallEvent() != 0 && flow.getFirewallEvent() != 5);
    boolean total = flow.getCounterKind() == CounterKind.COUNTER_KIND_TOTAL;
    boolean dropNotice =
        flow.getFormat() == ExportFormat.EXPORT_FORMAT_SFLOW_V5 && flow.getForwardingStatus() == 128
            && flow.getSamplingInterval() == 0;
    return !event && !total && !dropNotice;
  }

  /** What the flow's two hosts sent; the second has something in records of both directions only. */
  static List<KeyValue<String, Long>> sent(FlowRecord flow) {
    List<KeyValue<String, Long>> sent = new ArrayList<>(2);
    sent.add(KeyValue.pair(address(flow.getSourceAddress()), flow.getOctets() * scale(flow)));
    if (flow.getReverseOctets() != 0) {
      sent.add(KeyValue.pair(address(flow.getDestinationAddress()), flow.getReverseOctets() * scale(flow)));
    }
    return sent;
  }

  /** Getters of uint32 return an int: an interval of 2^31 or more would be negative. */
  static long scale(FlowRecord flow) {
    return Math.max(1, Math.max(Integer.toUnsignedLong(flow.getSamplingInterval()),
        Integer.toUnsignedLong(flow.getSamplingOverride())));
  }

  /** The text of an address of 4 or 16 bytes, "-" of one that the exporter does not send. */
  static String address(ByteString bytes) {
    if (bytes.isEmpty()) {
      return "-";
    }
    try {
      return InetAddress.getByAddress(bytes.toByteArray()).getHostAddress();
    } catch (UnknownHostException e) {
      return "?";
    }
  }

  private static String withTalker(String list, String talker, int top) {
    Map<String, Long> octets = new HashMap<>();
    for (String line : (list + "\n" + talker).strip().split("\n")) {
      String[] parts = line.split(" ");
      octets.put(parts[0], Long.parseLong(parts[1]));
    }
    return octets.entrySet().stream()
        .sorted(Map.Entry.<String, Long>comparingByValue().reversed().thenComparing(Map.Entry.comparingByKey()))
        .limit(top)
        .map(e -> e.getKey() + " " + e.getValue())
        .collect(Collectors.joining("\n"));
  }

  private static Serde<FlowRecord> flows() {
    return Serdes.serdeFrom((topic, flow) -> flow.toByteArray(), new FlowDeserializer(setting("HEADER", "content-type")));
  }

  /**
   * Reads values. If a header tells their form, that is believed first: another form, or another version of the
   * schema, could look like a flow.
   */
  private record FlowDeserializer(String header) implements Deserializer<FlowRecord> {
    private static final String FORM = "protobuf; flow.v1.FlowRecord";

    @Override
    public FlowRecord deserialize(String topic, Headers headers, byte[] bytes) {
      Header told = headers.lastHeader(header);
      String form = told == null ? FORM : new String(told.value(), StandardCharsets.UTF_8);
      if (!form.equals(FORM)) {
        throw new SerializationException("the header " + header + " says \"" + form + "\", and only \"" + FORM
            + "\" is read here: set FLOWPUB_KAFKA_VALUE=protobuf, or read another topic");
      }
      return deserialize(topic, bytes);
    }

    @Override
    public FlowRecord deserialize(String topic, byte[] bytes) {
      try {
        return FlowRecord.parseFrom(bytes);
      } catch (InvalidProtocolBufferException e) {
        throw new SerializationException("no FlowRecord: is FLOWPUB_KAFKA_VALUE protobuf?", e);
      }
    }
  }

  private static Properties settings() {
    Properties p = new Properties();
    p.put(StreamsConfig.APPLICATION_ID_CONFIG, setting("APPLICATION_ID", "top-talkers"));
    p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, setting("KAFKA_BROKERS", "127.0.0.1:9092"));
    p.put(StreamsConfig.STATE_DIR_CONFIG, setting("STATE_DIR", "target/state"));
    p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, Integer.parseInt(setting("THREADS", "2")));
    p.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    // Sums and offsets are committed together: a kill counts nothing twice.
    p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
    return p;
  }

  private static String setting(String name, String otherwise) {
    return requireNonNullElse(System.getenv(name), otherwise);
  }

  /** Tells that sums come back from Kafka after a restart on an empty disk. */
  private static final class Restored implements StateRestoreListener {
    @Override
    public void onRestoreStart(TopicPartition partition, String store, long from, long to) {}

    @Override
    public void onBatchRestored(TopicPartition partition, String store, long end, long records) {}

    @Override
    public void onRestoreEnd(TopicPartition partition, String store, long records) {
      if (records > 0) {
        System.err.println("restored " + records + " records of " + partition);
      }
    }
  }
}
