"""Runs flows.sql and names.sql in this process, which has ClickHouse in it, against real
brokers, and answers queries: a try without a server. The same files serve a server."""

import argparse
import pathlib
import sys
import tempfile
import time

from chdb.session import Session

here = pathlib.Path(__file__).parent
proto = here / "../../proto/flow/v1"


def statements(text: str):
    """Statements of a file: they end with a semicolon at the end of a line."""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("--"))
    return [s for s in "\n".join(lines).split(";\n") if s.strip(" ;\n")]


def create(session: Session, args) -> None:
    schema = str((proto / "flow_record").resolve())
    for file in args.sql or (here / "flows.sql", here / "names.sql"):
        text = file.read_text().rstrip() + "\n"
        text = text.replace("'kafka:9092'", f"'{args.brokers}'").replace("kafka_topic_list = 'flows'", f"kafka_topic_list = '{args.topic}'")
        text = text.replace("kafka_group_name = 'clickhouse'", f"kafka_group_name = '{args.group}'")
        text = text.replace("'ProtobufSingle'", f"'{args.format}'").replace("flow_record:", f"{schema}:")
        for statement in statements(text):
            session.query(statement)


# Sums come a moment after the flows.
ALL = """(SELECT count() FROM flows) + (SELECT count() FROM flows_errors) >= {rows}
    AND (SELECT sum(flows) FROM flows_minute) >= (SELECT count() FROM flows WHERE traffic)"""


def wait(session: Session, condition: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while str(session.query("SELECT " + condition, "CSV")).strip() != "1":
        if time.monotonic() > end:
            found = session.query("SELECT name, total_rows FROM system.tables WHERE database = currentDatabase() AND total_rows > 0", "TSV")
            sys.exit(f"after {seconds} s there is not all that was waited for, but\n{found}")
        time.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brokers", default="127.0.0.1:9092")
    parser.add_argument("--topic", default="flows")
    parser.add_argument("--group", default="clickhouse")
    parser.add_argument("--format", default="ProtobufSingle", help="ProtobufSingle, Protobuf: docs/values.md")
    parser.add_argument("--rows", type=int, default=1, help="wait for so many flows and errors")
    parser.add_argument("--until", default=ALL, help="or for this condition")
    parser.add_argument("--seconds", type=float, default=60, help="no longer than this")
    parser.add_argument("--sql", type=pathlib.Path, action="append", help="files in place of flows.sql and names.sql")
    parser.add_argument("--as", dest="output", default="PrettyCompact", help="a format of ClickHouse")
    parser.add_argument("query", nargs="*", default=["SELECT count() AS flows, sum(octets * scale) AS octets FROM flows WHERE traffic"])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        session = Session(directory)
        create(session, args)
        wait(session, args.until.format(rows=args.rows), args.seconds)
        for query in args.query:
            print(session.query(query, args.output), flush=True)
        session.query("DROP TABLE flows_queue")


if __name__ == "__main__":
    main()
