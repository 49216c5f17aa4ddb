-- Flows of a topic in ClickHouse: each of them, sums of each minute, and what could not be
-- read. Settings to look at: kafka_broker_list, kafka_topic_list, kafka_num_consumers, TTL.
--
-- flow_record.proto has to be in the directory of format schemas (format_schema_path).

-- Reads the topic. Columns are fields of flow.v1.FlowRecord; leave out what you do not need.
CREATE TABLE flows_queue
(
    exporter_address String, exporter_port UInt16, exporter_name String,
    agent_address String, observation_domain_id UInt32, engine_type UInt8, engine_id UInt8,
    format Int32, receive_time_ns UInt64, export_time_ns UInt64, system_uptime_ms UInt32,
    flow_sequence UInt32, record_index UInt32, anomalies UInt32,
    sampling_interval UInt32, sampling_override UInt32,
    source_address String, destination_address String, source_port UInt16, destination_port UInt16,
    protocol UInt8, tcp_flags UInt16, tos UInt8, icmp_type_code UInt16,
    input_interface UInt32, output_interface UInt32, source_as UInt32, destination_as UInt32,
    packets UInt64, octets UInt64, reverse_packets UInt64, reverse_octets UInt64,
    counter_kind Int32, firewall_event UInt32, nat_event UInt32, forwarding_status UInt32,
    start_time_ns UInt64, end_time_ns UInt64
)
ENGINE = Kafka
SETTINGS kafka_broker_list = 'kafka:9092', kafka_topic_list = 'flows', kafka_group_name = 'clickhouse',
         kafka_format = 'ProtobufSingle', kafka_schema = 'flow_record:FlowRecord',
         kafka_num_consumers = 1, kafka_max_block_size = 65536,
         -- What cannot be read goes to a table, in place of ClickHouse's log alone.
         kafka_handle_error_mode = 'stream';

-- Addresses come as 4 or 16 bytes, or none: IPv4 is ::ffff:192.0.2.1, none is ::.
CREATE FUNCTION flow_address AS (b) ->
    CAST(toFixedString(if(length(b) = 4, concat(unhex('00000000000000000000ffff'), b), b), 16), 'IPv6');

-- The text of an address: 192.0.2.1, 2001:db8::1, or nothing.
CREATE FUNCTION flow_text AS (a) ->
    if(a = toIPv6('::'), '', replaceRegexpOne(IPv6NumToString(a), '^::ffff:', ''));

-- The network of an address, of the length that most have for a site.
CREATE FUNCTION flow_network AS (a) ->
    if(startsWith(IPv6NumToString(a), '::ffff:'), concat(flow_text(IPv6CIDRToRange(a, 120).1), '/24'),
        if(a = toIPv6('::'), '', concat(flow_text(IPv6CIDRToRange(a, 48).1), '/48')));

-- Each flow. Copies have the same sorting key, so ClickHouse removes them when it inserts or
-- merges, and queries with FINAL never see them. The time of receipt is not in the key: a copy that the
-- network made came at another one.
CREATE TABLE flows
(
    time DateTime64(9, 'UTC'), -- of export, or of receipt if the exporter tells none
    received DateTime64(9, 'UTC'),
    exporter IPv6, exporter_name LowCardinality(String), domain UInt32, format Int32, anomalies UInt32,
    source IPv6, destination IPv6, source_port UInt16, destination_port UInt16,
    protocol UInt8, tcp_flags UInt16, tos UInt8, icmp_type_code UInt16,
    input_interface UInt32, output_interface UInt32, source_as UInt32, destination_as UInt32,
    packets UInt64, octets UInt64, reverse_packets UInt64, reverse_octets UInt64, -- as exported
    scale UInt32,    -- multiply by it
    traffic Bool,    -- false: leave it out of sums, see docs/consumers.md, "What to sum"
    start DateTime64(9, 'UTC'), end DateTime64(9, 'UTC'),
    identity UInt64
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(time)
ORDER BY (exporter, time, identity)
TTL toDateTime(time) + INTERVAL 30 DAY;

CREATE MATERIALIZED VIEW flows_view TO flows AS
SELECT
    fromUnixTimestamp64Nano(toInt64(if(export_time_ns = 0, receive_time_ns, export_time_ns)), 'UTC') AS time,
    fromUnixTimestamp64Nano(toInt64(receive_time_ns), 'UTC') AS received,
    flow_address(exporter_address) AS exporter, exporter_name, observation_domain_id AS domain, format, anomalies,
    flow_address(source_address) AS source, flow_address(destination_address) AS destination,
    source_port, destination_port, protocol, tcp_flags, tos, icmp_type_code,
    input_interface, output_interface, source_as, destination_as,
    packets, octets, reverse_packets, reverse_octets,
    greatest(sampling_interval, sampling_override, 1) AS scale,
    nat_event = 0 AND firewall_event IN (0, 5) AND counter_kind != 1
        AND NOT (format = 105 AND forwarding_status = 128 AND sampling_interval = 0) AS traffic,
    fromUnixTimestamp64Nano(toInt64(start_time_ns), 'UTC') AS start,
    fromUnixTimestamp64Nano(toInt64(end_time_ns), 'UTC') AS end,
    -- Of all but the time of receipt. Without exporter_port it is equal also for a packet that
    -- was sent to two collectors.
    sipHash64(exporter_address, exporter_port, agent_address, observation_domain_id, engine_type, engine_id,
        export_time_ns, system_uptime_ms, flow_sequence, record_index, source_address, destination_address,
        source_port, destination_port, protocol, input_interface, packets, octets, start_time_ns, end_time_ns) AS identity
FROM flows_queue
WHERE length(_error) = 0 AND length(exporter_address) > 0; -- which each flow has

-- Sums of each minute of receipt, for months. A copy counts: of these there should be none,
-- and the panel "Copies" tells.
CREATE TABLE flows_minute
(
    minute DateTime('UTC'), exporter IPv6, input_interface UInt32, output_interface UInt32,
    source_as UInt32, destination_as UInt32, protocol UInt8, service UInt16,
    flows UInt64, packets UInt64, octets UInt64 -- scaled
)
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, exporter, input_interface, output_interface, source_as, destination_as, protocol, service)
TTL minute + INTERVAL 400 DAY;

CREATE MATERIALIZED VIEW flows_minute_view TO flows_minute AS
SELECT toStartOfMinute(toDateTime(received)) AS minute, exporter, input_interface, output_interface,
    source_as, destination_as, protocol, least(source_port, destination_port) AS service,
    count() AS flows, sum((packets + reverse_packets) * scale) AS packets, sum((octets + reverse_octets) * scale) AS octets
FROM flows
WHERE traffic
GROUP BY ALL;

-- What could not be read, and why: a value of another form, or another message. ProtobufSingle reads some
-- values of protobuf-delimited, without their exporter.
CREATE TABLE flows_errors (at DateTime DEFAULT now(), topic String, partition UInt64, offset UInt64, error String, value String)
ENGINE = MergeTree ORDER BY at TTL at + INTERVAL 7 DAY;

CREATE MATERIALIZED VIEW flows_errors_view TO flows_errors AS
SELECT _topic AS topic, _partition AS partition, _offset AS offset,
    if(length(_error) > 0, _error, 'a flow without exporter: kafka_format is for another form') AS error, _raw_message AS value
FROM flows_queue
WHERE length(_error) > 0 OR length(exporter_address) = 0;
