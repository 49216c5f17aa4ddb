package main

// usage is what flowtail -h prints.
const usage = `Flowtail shows flow records: those of a Kafka topic, of captures, or of datagrams
that exporters send to it.

    flowtail [flags] [filter]

It reads all partitions of a topic, including those that are added later, and commits
nothing. Ctrl-C ends it. Flows go to standard output, all else to standard error.

What to read:
  -brokers host:port,...   brokers of the cluster (127.0.0.1:9092)
  -topic name              topic that holds the flow records (flows)
  -value form              how messages hold flows, as FLOWPUB_KAFKA_VALUE says:
                           protobuf, protobuf-delimited, confluent or json; auto
                           finds it out (auto)
  -from start|end|time     begin with the oldest record, the next, or the first that
                           was received at a time: 2026-01-31T15:04:05Z, 15:04, in
                           UTC unless it has a zone (end)
  -since duration          begin this long ago, such as 10m
  -offset number           begin with this offset in each partition; below 0: this
                           many records before the end
  -until time              end with what was received before: a time, or now
  -partition number,...    only these partitions, such as 0,3-5
  -group name              share the reading with others of this consumer group, and
                           go on where it stopped
  -read file               read a capture (pcap, pcapng, either with gzip; - is
                           standard input) or a file that holds one datagram, not
                           Kafka; may be given several times
  -listen host:port        receive datagrams, such as :2055, not Kafka
  -packets                 show the datagrams of -read or -listen as they are, with
                           headers, templates and records

How to show it:
  -n number                end after this many flows; 0: no end (0); with -top: show
                           this many rows (10)
  -pace number             print at most this many flows a second and skip the
                           others; 0: print all (0)
  -format table|wide|json|csv|parquet|none
                           a table of 80 characters a line; one of 145 with more of
                           each flow; a JSON object or CSV line each with all fields;
                           a file of Parquet with the same; or only their number
                           (table)
  -output file             write to a file
  -columns name,...        columns of the table: start, date, received, duration,
                           exporter, name, via, proto, protocol, source,
                           destination, src, srcport, dst, dstport, flags, packets,
                           octets, octets!, bps, srcas, dstas, in, out, tos, vlan,
                           nexthop, sampling, domain, anomalies, or a field's name in
                           JSON
  -exact                   write numbers to the last digit in tables
  -services                write the names of ports
  -top key,...             add flows up by what they have in common: src, dst, ip (of
                           either end), srcport, dstport, port, proto, exporter,
                           name, srcas, dstas, as, in, out, if, tos, vlan, nexthop,
                           flags, format, icmp, domain; networks as src/24, with the
                           length for IPv6 as src/24/48
  -by octets|packets|flows order of the sums (octets)
  -every duration          how often sums are shown, and begin anew; 0: in the end
                           (10s for live flows, else 0)
  -scaled                  multiply packets and octets of the sums by the sampling
                           interval
  -version                 print the version
  -h                       print this

The filter says which flows are wanted, in the manner of tcpdump and nfdump. Tests are
joined by and, or, not and parentheses:
  [src|dst] host|net address   192.0.2.1, 192.0.2.0/24; also without host or net
  [src|dst] port number        443, 8000-8999, https, > 1023, in [80, 443]
  [src|dst] as number          [in|out] if number
  exporter address             name text             nexthop address
  proto name                   tcp, udp, icmp, 47; also without proto
  ip, ip6                      flags SA, flags = S   format v5, v9, ipfix, sflow
  packets, octets, bps, pps > number                 duration > 1.5s
  tos, vlan, domain, sampling, icmp-type, icmp-code number
  anomaly any|name

TLS and SASL are set as for flowpub, by the environment variables FLOWPUB_KAFKA_TLS
and those that begin with FLOWPUB_KAFKA_TLS_ and FLOWPUB_KAFKA_SASL_; flowpub -h
explains them. The user needs READ and DESCRIBE on the topic, and READ on a group.

A ! behind the octets marks a flow with anomalies. On a terminal it is coloured, unless
NO_COLOR is set. Numbers are shortened: 1.23k is between 1,225 and 1,235.

Counters and rates are as the exporter sent them, not scaled by its sampling
interval. A rate is over the flow's duration. Flags are those of TCP: CWR, ECE,
URG, ACK, PSH, RST, SYN, FIN. For ICMP the destination has type and code in place of the
port.

Examples:
  flowtail                                       flows as they come
  flowtail -from start -n 20                     the oldest ones
  flowtail net 192.0.2.0/24 and udp and port 53
  flowtail -since 10m -until now -top src,dst -by packets
  flowtail -top dst/24 'tcp and flags S and not flags A'
  flowtail -format json | jq -r .sourceAddress
  flowtail -since 1h -until now -format parquet -output flows.parquet
  flowtail -read capture.pcap -format wide
  flowtail -listen :2055 -packets -n 10

Exit status: 0 when it showed what there was, 1 when something failed or no message
is a flow record, 2 when the command line or the environment is wrong.
`
