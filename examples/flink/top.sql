-- The ten hosts that sent most in each minute of receipt.

CREATE TABLE flows (
    source_address BYTES,
    octets BIGINT,
    -- uint32 is a signed INT here: BIGINT is refused.
    sampling_interval INT, sampling_override INT,
    format STRING, counter_kind STRING, firewall_event INT, nat_event INT, forwarding_status INT,
    -- When flowpub received it: Kafka's time stamp.
    received TIMESTAMP_LTZ(3) METADATA FROM 'timestamp',
    WATERMARK FOR received AS received - INTERVAL '10' SECOND
) WITH (
    'connector' = 'kafka',
    'properties.bootstrap.servers' = '${brokers}',
    'properties.group.id' = 'flink',
    'topic' = '${topic}',
    'scan.startup.mode' = 'earliest-offset',
    -- Left out, it goes on for ever.
    'scan.bounded.mode' = '${bounded}',
    -- A partition without flows must not hold up the others.
    'scan.watermark.idle-timeout' = '30 s',
    'format' = 'protobuf',
    'protobuf.message-class-name' = 'io.github.flowpub.flow.v1.FlowRecord'
);

CREATE TEMPORARY FUNCTION flow_address AS 'io.github.flowpub.examples.FlowAddress';

SELECT window_start, host, octets
FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY octets DESC, host) AS place
    FROM (
        SELECT window_start, window_end, flow_address(source_address) AS host,
            SUM(octets * GREATEST(1, sampling_interval, sampling_override)) AS octets
        FROM TABLE(TUMBLE(TABLE flows, DESCRIPTOR(received), INTERVAL '1' MINUTE))
        -- What is no traffic, or is in other records, too: docs/consumers.md, "What to sum".
        WHERE nat_event = 0 AND firewall_event IN (0, 5) AND counter_kind <> 'COUNTER_KIND_TOTAL'
            AND NOT (format = 'EXPORT_FORMAT_SFLOW_V5' AND forwarding_status = 128 AND sampling_interval = 0)
        GROUP BY window_start, window_end, source_address
    )
)
WHERE place <= 10;
