"""Prints which networks sent most, of all exporters together, as one of a consumer group."""

import argparse
import ipaddress
import signal
import sys
import time
from collections import Counter

from confluent_kafka import Consumer, KafkaException
from flow.v1 import flow_record_pb2 as pb
from google.protobuf.message import DecodeError

# What the header says of values that are read here.
FORM = b"protobuf; flow.v1.FlowRecord"


def network(address: bytes) -> str:
    """The /24 or /48 of an address of 4 or 16 bytes; "-" of one that the exporter does not send."""
    if not address:
        return "-"
    length = 24 if len(address) == 4 else 48
    return str(ipaddress.ip_network((address, length), strict=False))


def scale(flow: pb.FlowRecord) -> int:
    """How many packets stand behind one that was counted."""
    return max(1, flow.sampling_interval, flow.sampling_override)


def is_traffic(flow: pb.FlowRecord) -> bool:
    """Whether a flow is to be summed. Others repeat traffic that further records have, or are
    none: docs/consumers.md, "What to sum"."""
    event = flow.nat_event or flow.firewall_event not in (0, 5)
    total = flow.counter_kind == pb.COUNTER_KIND_TOTAL
    drop_notice = (
        flow.format == pb.EXPORT_FORMAT_SFLOW_V5 and flow.forwarding_status == 128 and not flow.sampling_interval
    )
    return not (event or total or drop_notice)


class Report:
    """Sums of what was read and not printed yet. What is printed is committed then: a crash
    repeats some flows, and loses none."""

    def __init__(self, consumer: Consumer, top: int) -> None:
        self.consumer, self.top = consumer, top
        self.flows, self.sums = 0, Counter()

    def add(self, flow: pb.FlowRecord) -> None:
        self.flows += 1
        if not is_traffic(flow):
            return
        self.sums[network(flow.source_address)] += flow.octets * scale(flow)
        if flow.reverse_octets:
            self.sums[network(flow.destination_address)] += flow.reverse_octets * scale(flow)

    def show(self) -> None:
        for name, octets in sorted(self.sums.items(), key=lambda item: (-item[1], item[0]))[: self.top]:
            print(f"  {name:20} {octets:15} octets")
        print(f"{time.strftime('%H:%M:%S')}  {self.flows} flows", flush=True)
        if self.flows:
            self.consumer.commit(asynchronous=False)
        self.flows, self.sums = 0, Counter()

    def assigned(self, _, partitions) -> None:
        print(f"got {len(partitions)} partitions", file=sys.stderr, flush=True)

    def revoked(self, _, partitions) -> None:
        """Before another one gets partitions, it has to know how far they were read."""
        self.show()
        print(f"gave {len(partitions)} partitions", file=sys.stderr, flush=True)

    def lost(self, _, partitions) -> None:
        """They are another's already, because this one did not call in time: it reads them
        from the last commit on."""
        print(f"lost {len(partitions)} partitions", file=sys.stderr, flush=True)


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


def read(report: Report, args, stopped) -> None:
    """Prints sums every so many seconds."""
    while not stopped():
        until = time.monotonic() + args.seconds
        while not stopped() and time.monotonic() < until:
            for message in report.consumer.consume(1000, timeout=0.2):
                report.add(decode(message, args.header))
                report.consumer.store_offsets(message)
        report.show()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brokers", default="127.0.0.1:9092")
    parser.add_argument("--topic", default="flows")
    parser.add_argument("--group", default="top-networks", help="start several, and they share the partitions")
    parser.add_argument("--header", default="content-type", help="the header that tells the form of values, if they have one")
    parser.add_argument("--seconds", type=float, default=10, help="how long to sum up")
    parser.add_argument("--top", type=int, default=10, help="how many networks to print")
    args = parser.parse_args()

    signals = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _: signals.append(received))
    consumer = Consumer(
        {
            "bootstrap.servers": args.brokers,
            "group.id": args.group,
            "auto.offset.reset": "earliest",  # of a group that has committed nothing yet
            "enable.auto.commit": False,
            # What is committed is what was added, not all that came with a value that cannot be read.
            "enable.auto.offset.store": False,
        }
    )
    report = Report(consumer, args.top)
    consumer.subscribe([args.topic], on_assign=report.assigned, on_revoke=report.revoked, on_lost=report.lost)
    try:
        read(report, args, lambda: bool(signals))
    finally:
        consumer.close()


if __name__ == "__main__":
    main()
