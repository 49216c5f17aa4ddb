package main

// usage is what flowtail -h prints.
const usage = `Flowtail reads flow records from a Kafka topic and prints them.

    flowtail [flags]

It reads all partitions, those included that are added later, and commits
nothing. Ctrl-C ends it. Flows go to standard output, all else to standard error.

Flags:
  -brokers host:port,...   brokers of the cluster (127.0.0.1:9092)
  -topic name              topic that holds the flow records (flows)
  -value form              how messages hold flows, as FLOWPUB_KAFKA_VALUE says:
                           protobuf, protobuf-delimited, confluent or json
                           (protobuf)
  -from start|end          begin with the oldest record, or with the next (end)
  -n number                end after so many flows; 0: never (0)
  -pace number             print so many flows a second at most and pass over the
                           others; 0: print all (0)
  -format table|wide|json|csv
                           how to print flows: a table of 98 characters a line; one
                           of 145 that has duration, TCP flags, bit rate and the
                           names of anomalies; or a JSON object or CSV line each
                           with all fields (table)
  -exporter address,...    only flows from these exporters
  -address address,...     only flows from or to these addresses
  -port number,...         only flows from or to these transport ports
  -protocol name,...       only flows of these IP protocols, by name or number
  -version                 print the version
  -h                       print this

TLS and SASL are set as for flowpub, by the environment variables FLOWPUB_KAFKA_TLS
and those that begin with FLOWPUB_KAFKA_TLS_ and FLOWPUB_KAFKA_SASL_; flowpub -h
explains them. The user needs READ and DESCRIBE on the topic.

Addresses can be ranges, such as 192.0.2.0/24 or 2001:db8::/32. A flow has to match
something in each list given.

A ! at the end of a line in the table marks a flow with anomalies.

Counters and rates are as the exporter sent them, not scaled by its sampling
interval. A rate is over the flow's duration. Flags are those of TCP: CWR, ECE,
URG, ACK, PSH, RST, SYN, FIN. Ports of ICMP are as exported: most exporters put
type * 256 + code in the destination's.

Examples:
  flowtail                                       flows as they come
  flowtail -from start -n 20                     the oldest ones
  flowtail -address 192.0.2.0/24 -protocol udp -port 53,853
  flowtail -format json | jq -r .sourceAddress
  flowtail -from start -format csv > flows.csv

Exit status: 0 when it printed what there was, 1 when something failed or no message
could be read as -value says, 2 when the command line or the environment is wrong.
`
