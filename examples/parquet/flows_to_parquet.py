"""Writes the flows of a topic to Parquet files, in folders by hour of receipt: hour=2026-01-31T09/."""

import argparse
import ipaddress
import os
import pathlib
import signal
import sys
import time
from datetime import datetime, timezone

import pyarrow as pa
import pyarrow.parquet as pq
from confluent_kafka import Consumer, KafkaException
from flow.v1 import flow_record_pb2 as pb
from google.protobuf.message import DecodeError

# What the header says of values that are read here.
FORM = b"protobuf; flow.v1.FlowRecord"

TIME = pa.timestamp("ns", tz="UTC")
SCHEMA = pa.schema(
    [
        ("received", TIME), ("exported", TIME), ("start", TIME), ("end", TIME),
        ("exporter", pa.string()), ("exporter_port", pa.uint16()), ("exporter_name", pa.string()), ("domain", pa.uint32()),
        ("format", pa.string()), ("sequence", pa.uint32()), ("record_index", pa.uint32()), ("anomalies", pa.uint32()),
        ("source", pa.string()), ("destination", pa.string()), ("source_port", pa.uint16()), ("destination_port", pa.uint16()),
        ("protocol", pa.uint8()), ("tcp_flags", pa.uint16()), ("tos", pa.uint8()),
        ("input_interface", pa.uint32()), ("output_interface", pa.uint32()), ("source_as", pa.uint32()), ("destination_as", pa.uint32()),
        ("packets", pa.uint64()), ("octets", pa.uint64()), ("reverse_packets", pa.uint64()), ("reverse_octets", pa.uint64()),
        ("scale", pa.uint32()), ("traffic", pa.bool_()),
    ]
)  # fmt: skip


def address(b: bytes) -> str | None:
    return str(ipaddress.ip_address(b)) if b else None


def is_traffic(f: pb.FlowRecord) -> bool:
    """Whether a flow is to be summed: docs/consumers.md, "What to sum"."""
    event = f.nat_event or f.firewall_event not in (0, 5)
    drop_notice = f.format == pb.EXPORT_FORMAT_SFLOW_V5 and f.forwarding_status == 128 and not f.sampling_interval
    return not (event or f.counter_kind == pb.COUNTER_KIND_TOTAL or drop_notice)


def row(f: pb.FlowRecord) -> tuple:
    return (
        f.receive_time_ns, f.export_time_ns or None, f.start_time_ns or None, f.end_time_ns or None,
        address(f.exporter_address), f.exporter_port, f.exporter_name, f.observation_domain_id,
        pb.ExportFormat.Name(f.format), f.flow_sequence, f.record_index, f.anomalies,
        address(f.source_address), address(f.destination_address), f.source_port, f.destination_port,
        f.protocol, f.tcp_flags, f.tos,
        f.input_interface, f.output_interface, f.source_as, f.destination_as,
        f.packets, f.octets, f.reverse_packets, f.reverse_octets,
        max(1, f.sampling_interval, f.sampling_override), is_traffic(f),
    )  # fmt: skip


def decode(message, header: str) -> pb.FlowRecord:
    if message.error():
        raise KafkaException(message.error())
    where = f"{message.topic()}/{message.partition()} offset {message.offset()}"
    # If a header tells the form, that is believed first: another one could look like a flow.
    form = dict(message.headers() or []).get(header, FORM)
    if form != FORM:
        sys.exit(
            f"{where}: the header {header} says {form}, and only {FORM} is read here: "
            "set FLOWPUB_KAFKA_VALUE=protobuf, or read another topic"
        )
    try:
        return pb.FlowRecord.FromString(message.value())
    except DecodeError as e:
        sys.exit(f"{where}: no FlowRecord: is FLOWPUB_KAFKA_VALUE protobuf? {e}")


class Files:
    """Flows that are not in a file yet. A file has its name only when it is whole."""

    def __init__(self, consumer: Consumer, directory: pathlib.Path) -> None:
        self.consumer, self.directory, self.hours, self.flows = consumer, directory, {}, 0

    def add(self, flow: pb.FlowRecord) -> None:
        hour = flow.receive_time_ns // 3_600_000_000_000
        self.hours.setdefault(hour, []).append(row(flow))
        self.flows += 1

    def write(self) -> None:
        """Commits what it has written: a crash in between writes some flows twice, and loses none."""
        for hour, rows in self.hours.items():
            name = datetime.fromtimestamp(hour * 3600, timezone.utc).strftime("hour=%Y-%m-%dT%H")
            folder = self.directory / name
            folder.mkdir(parents=True, exist_ok=True)
            columns = [pa.array(values, field.type) for values, field in zip(zip(*rows), SCHEMA)]
            partial = folder / f".{os.getpid()}-{time.time_ns()}"
            pq.write_table(pa.table(columns, SCHEMA), partial, compression="zstd")
            partial.rename(partial.with_name(partial.name[1:] + ".parquet"))
        if self.flows:
            self.consumer.commit(asynchronous=False)
            print(f"{self.flows} flows", flush=True)
        self.hours, self.flows = {}, 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--brokers", default="127.0.0.1:9092")
    parser.add_argument("--topic", default="flows")
    parser.add_argument("--group", default="parquet", help="start several, and they share the partitions")
    parser.add_argument("--header", default="content-type", help="the header that tells the form of values, if they have one")
    parser.add_argument("--flows", type=int, default=500_000, help="begin a new file after so many")
    parser.add_argument("--seconds", type=float, default=60, help="and after so long")
    args = parser.parse_args()

    signals = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _: signals.append(received))
    consumer = Consumer(
        {
            "bootstrap.servers": args.brokers,
            "group.id": args.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            # What is committed is what was added, not all that came with a value that cannot be read.
            "enable.auto.offset.store": False,
        }
    )
    files = Files(consumer, args.directory)
    consumer.subscribe([args.topic], on_revoke=lambda *_: files.write(), on_lost=lambda *_: files.__init__(consumer, args.directory))
    try:
        while not signals:
            until = time.monotonic() + args.seconds
            while not signals and time.monotonic() < until and files.flows < args.flows:
                for message in consumer.consume(1000, timeout=0.2):
                    files.add(decode(message, args.header))
                    consumer.store_offsets(message)
            files.write()
    finally:
        consumer.close()


if __name__ == "__main__":
    main()
