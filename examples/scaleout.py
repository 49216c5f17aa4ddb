"""Measures how many flows a second 1, 2 and 3 consumers of a group take from a topic: those of
the folders python, java and clickhouse, which have to be made as their READMEs say.

It looks at what the group has committed, from when all of it are members to the last flow: the
time that processes need to start is left out. Give it a topic of some 400,000 flows or more, to
which nobody writes. scaleout.sh makes such topics.
"""

import argparse
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

from confluent_kafka import Consumer, ConsumerGroupState, ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

here = pathlib.Path(__file__).parent


def command(kind: str, args, group: str, work: pathlib.Path) -> tuple[list[str], dict]:
    common = ["--brokers", args.brokers, "--topic", args.topic, "--group", group]
    if kind == "python":
        return [sys.executable, str(here / "python/top_networks.py"), "--seconds", "0.2", *common], {}
    if kind == "clickhouse":
        # It commits a block when that is full, or after this time: 7.5 s would be most of the measurement.
        sql = (here / "clickhouse/flows.sql").read_text()
        (work / "flows.sql").write_text(sql.replace("kafka_num_consumers = 1,", "kafka_num_consumers = 1, kafka_flush_interval_ms = 1000,"))
        forever = ["--until", "0", "--seconds", "100000", "--sql", str(work / "flows.sql")]
        return [sys.executable, str(here / "clickhouse/try.py"), *forever, *common], {}
    settings = {"KAFKA_BROKERS": args.brokers, "TOPIC": args.topic, "APPLICATION_ID": group, "STATE_DIR": str(work / "state"), "THREADS": "1"}
    return ["java", "-Xmx1g", "-jar", str(here / "java/target/top-talkers.jar")], settings


def ends(args) -> dict[int, int]:
    """How many flows are in each partition that has some."""
    consumer = Consumer({"bootstrap.servers": args.brokers, "group.id": "scaleout"})
    found = {}
    for p in consumer.list_topics(args.topic).topics[args.topic].partitions:
        low, high = consumer.get_watermark_offsets(TopicPartition(args.topic, p))
        found[p] = high - low
    consumer.close()
    return {p: n for p, n in found.items() if n > 0}


def committed(admin: AdminClient, args, group: str, partitions) -> int:
    asked = ConsumerGroupTopicPartitions(group, [TopicPartition(args.topic, p) for p in partitions])
    answer = admin.list_consumer_group_offsets([asked])[group].result()
    return sum(max(0, p.offset) for p in answer.topic_partitions)


def together(admin: AdminClient, group: str, members: int) -> bool:
    """Whether so many are in the group, and each has its partitions."""
    found = admin.describe_consumer_groups([group])[group].result()
    return found.state == ConsumerGroupState.STABLE and len(found.members) == members


def spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(kind: str, consumers: int, args, partitions: dict[int, int]) -> float:
    group = f"scaleout-{kind}-{consumers}-{time.time_ns()}"
    admin, total = AdminClient({"bootstrap.servers": args.brokers}), sum(partitions.values())
    with tempfile.TemporaryDirectory() as directory:
        running = []
        for n in range(consumers):
            work = pathlib.Path(directory, str(n))
            work.mkdir()
            arguments, settings = command(kind, args, group, work)
            with open(work / "log", "w") as log:
                running.append(subprocess.Popen([*args.under.split(), *arguments], env=os.environ | settings, stdout=log, stderr=log))
        try:
            first = None
            while True:
                done, now = committed(admin, args, group, partitions), time.monotonic()
                if first is None and done > 0 and together(admin, group, consumers):
                    first = done, now
                if done >= total and first is None:
                    sys.exit(f"{kind}: all was read before {consumers} were there: give more flows")
                if done >= total:
                    return (done - first[0]) / max(now - first[1], 0.001)
                if any(p.poll() is not None for p in running):
                    sys.exit(f"{kind} has ended: {pathlib.Path(directory, '0', 'log').read_text()[-2000:]}")
                time.sleep(0.1)
        finally:
            for p in running:
                p.kill()
                p.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brokers", default="127.0.0.1:9092")
    parser.add_argument("--topic", default="flows")
    parser.add_argument("--consumers", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--under", default="", metavar="COMMAND", help="what starts each consumer, such as 'systemd-run --scope -qp CPUQuota=25%%'")
    parser.add_argument("kind", nargs="*", default=["python", "java", "clickhouse"])
    args = parser.parse_args()
    partitions = ends(args)
    total = sum(partitions.values())
    print(f"{total} flows in {len(partitions)} partitions, the fullest has {max(partitions.values()) / total:.0%}", flush=True)
    for kind in args.kind:
        for n in args.consumers:
            before = spent()
            rate = measure(kind, n, args, partitions)
            # With what they need to start.
            cpu = (spent() - before) / total * 1e6
            print(f"{kind:12} {n}  {rate:10,.0f} flows/s  {cpu:6.1f} µs of CPU a flow", flush=True)


if __name__ == "__main__":
    main()
