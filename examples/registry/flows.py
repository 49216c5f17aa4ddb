"""Prints flows whose values are in Confluent's form, with the deserializer of Confluent's client."""

import argparse
import ipaddress
import sys

from confluent_kafka import Consumer, KafkaException
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext, SerializationError
from flow.v1 import flow_record_pb2 as pb

# What the header says of values that are read here.
FORM = b"confluent; flow.v1.FlowRecord"


def address(b: bytes) -> str:
    return str(ipaddress.ip_address(b)) if b else "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brokers", default="127.0.0.1:9092")
    parser.add_argument("--topic", default="flows")
    parser.add_argument("--group", default="registry")
    parser.add_argument("--header", default="content-type", help="the header that tells the form of values, if they have one")
    parser.add_argument("-n", type=int, default=10, help="end after so many flows")
    args = parser.parse_args()

    # The class is generated from the same file that flowpub registers, so the registry need not be asked.
    deserialize = ProtobufDeserializer(pb.FlowRecord)
    consumer = Consumer({"bootstrap.servers": args.brokers, "group.id": args.group, "auto.offset.reset": "earliest"})
    consumer.subscribe([args.topic])
    flows = 0
    while flows < args.n:
        message = consumer.poll(1)
        if message is None:
            continue
        if message.error():
            raise KafkaException(message.error())
        form = dict(message.headers() or []).get(args.header, FORM)
        if form != FORM:
            sys.exit(
                f"the header {args.header} says {form}, and only {FORM} is read here: "
                "set FLOWPUB_KAFKA_VALUE=confluent, or read another topic"
            )
        try:
            flow = deserialize(message.value(), SerializationContext(message.topic(), MessageField.VALUE))
        except SerializationError as e:
            sys.exit(f"no value with a schema's id: is FLOWPUB_KAFKA_VALUE confluent? {e}")
        flows += 1
        schema = int.from_bytes(message.value()[1:5], "big")
        print(f"schema {schema}  {address(flow.source_address)} -> {address(flow.destination_address)}  {flow.octets} octets")
    consumer.close()


if __name__ == "__main__":
    main()
