package main

// syntheticUsage is what flowgen -h prints.
const syntheticUsage = `Flowgen sends NetFlow version 5, version 9, IPFIX and sFlow to a collector, to test,
measure or show it.

    flowgen [flags]                  synthetic exporters
    flowgen replay [flags] FILE...   datagrams of a capture; see flowgen replay -h

Each synthetic exporter has a source address of its own if the target is an IPv4
loopback address, 127.1.0.1 and on, else a source port of its own. The traffic is
made up of private and benchmark addresses. Ctrl-C ends it; a summary is printed.
Numbers may end with k, M or G. When nobody listens for 10 s, it ends.

Flags:
  -target host:port        the collector (127.0.0.1:2055)
  -exporters n             how many exporters, up to 16384 (4)
  -source address          where the first is, in 127.0.0.0/8 (127.1.0.1)
  -format list             export formats, which the exporters take in turn: v5, v9,
                           ipfix, sflow, or as FLOWPUB_FORMATS has them, separated by
                           commas, or all; default v5
  -rate n                  flows a second, of all exporters together; 0: as fast
                           as possible; 10k-200k: rising, or falling, evenly within
                           -duration (1000)
  -elephant share          packets that the first exporter sends, such as 0.9, of all;
                           0: as many as each of the others (0)
  -flap time               let exporters be silent for as long as they send: neighbours
                           in turn; 0: never (0)
  -flows n                 end after this many flows; 0: never (0)
  -duration time           end after this time, such as 30s; 0: never (0)
  -records n               flows in a packet, up to 1364; v5 allows 30. 0: as many as
                           fit into an Ethernet frame in every chosen format (0)
  -seed n                  which traffic; the same seed makes the same (1)
  -sampling-mode n         sampling mode to announce, 0 to 3 (0)
  -sampling-interval n     sampling interval to announce, 0 to 16383; v5 has it in the
                           header, v9 and ipfix in options, sflow in samples (0)
  -template-packets n      v9, ipfix: repeat templates and options after n packets of
                           an exporter (20)
  -template-interval time  ... or after this time, whichever comes first (1m0s)
  -template-change time    v9, ipfix: change the templates this often and keep their
                           IDs; at least 1s; 0: never (0)
  -template-loss share     v9, ipfix: number this share of the datagrams with templates
                           without sending them, but never a changed template (0)
  -domains n               v9, ipfix: observation domains of an exporter, sflow: its
                           sub-agents; up to 256. Neighbouring domains use the same
                           IDs for different templates (1)
  -ipv6 share              IPv6 flows among all, such as 0.3; v5 has none (0)
  -variable                ipfix: add elements of variable length and one of an
                           enterprise
  -gaps share              packets that are numbered and not sent, such as 0.01; they
                           leave gaps in the sequence (0)
  -malformed share         datagrams with flows that are damaged, such as 0.01 (0)
  -uptime-wrap             let the exporters' uptime clocks wrap after a second
  -status url              ask a flowpub at this HTTP address what it counts, such as
                           http://127.0.0.1:8080: for the line that is rewritten each
                           second, and the summary
  -find-limit              find the highest rate that the flowpub at -status takes
                           without loss, from -rate on, trying each for -duration (5s)
  -version                 print the version
  -h                       print this

Examples:
  flowgen                                        a trickle for a first look
  flowgen -exporters 100 -rate 250000 -duration 1m
  flowgen -rate 0 -flows 10000000                as fast as possible
  flowgen -gaps 0.01 -malformed 0.01             a bad day
  flowgen -rate 10k-500k -duration 2m -status http://127.0.0.1:8080
  flowgen -find-limit -rate 50k -status http://127.0.0.1:8080
  flowgen -format all -ipv6 0.3 -domains 2 -sampling-interval 100 -variable
  flowgen -format v9,ipfix -template-change 5s -template-loss 0.5
  flowgen -target collector.example.net:2055 -exporters 8

Exit status: 0 when all was sent, 1 when something failed or nobody listens at the
target in the end, 2 when the command line is wrong.
`

// replayUsage is what flowgen replay -h prints.
const replayUsage = `Flowgen replay sends the UDP datagrams of captures to a collector.

    flowgen replay [flags] FILE...

A FILE is a pcap or pcapng capture, either may be packed with gzip. A file that
begins like NetFlow, IPFIX or sFlow is sent as the payload of a single datagram.
/dev/stdin reads standard input.
Each source of the capture gets a source port of its own. Ctrl-C ends it; a
summary is printed.

Flags:
  -target host:port        the collector (127.0.0.1:2055)
  -own-sources             give each exporter of the capture its own address too,
                           127.10.0.1 and on, in the order of their appearance;
                           the summary tells which is which. The target must be
                           an IPv4 loopback address
  -source address          the first of these, in 127.0.0.0/8 (127.10.0.1)
  -keep-ports              send from the ports in the capture, where they are free
  -rate recorded|n         keep the pauses of the capture, or send n datagrams a
                           second; 0: as fast as possible (recorded)
  -loops n                 send all of it n times (1)
  -payloads                send a FILE that is no capture as a payload, whatever it
                           holds
  -only-v5                 leave out what is not NetFlow version 5
  -version                 print the version
  -h                       print this

Examples:
  flowgen replay exporters.pcap
  flowgen replay -own-sources -rate 500 monday.pcap.gz tuesday.pcapng
  tcpdump -i eth0 -U -w - udp port 2055 | flowgen replay -only-v5 /dev/stdin

Exit status: 0 when all was sent, 1 when something failed or nobody listens at the
target in the end, 2 when the command line is wrong.
`
