package main

// usage is what flowdemo -h prints.
const usage = `Flowdemo shows flowpub at work, in one process and without anything to set up:
an embedded Kafka-protocol broker, the collector, exporters of synthetic flows, and
a consumer that prints flows from the topic.

    flowdemo [flags]

Kafka listens on 127.0.0.1:9092, NetFlow on 127.0.0.1:2055, HTTP on 127.0.0.1:8080,
or on free ports where these are taken and no others were asked for; the first
lines tell. Ctrl-C ends it: the exporters stop, the collector delivers what it
holds, and the ledger is printed. Kafka's records are kept in memory, the last
48 MiB of them.

Flags:
  -listen host:port        where NetFlow is received; for real routers to join,
                           :2055 (127.0.0.1:2055 or a free port)
  -kafka host:port         where the broker listens (127.0.0.1:9092 or a free port)
  -http host:port          where metrics and probes are served (127.0.0.1:8080 or a
                           free port)
  -exporters n             how many exporters of synthetic flows; 0: none, wait for
                           others (4)
  -rate n                  flows a second that these send together (200)
  -n number                end after this many flows were printed; 0: never (0)
  -pace number             print at most this many flows a second and skip the
                           others; 0: print all (25)
  -version                 print the version
  -h                       print this

Exit status: 0 when every datagram and every flow is accounted for, 1 when not or
when something failed, 2 when the command line is wrong.

Examples:
  flowdemo                                       a first look
  flowdemo -n 20                                 ... that ends by itself
  flowdemo -rate 100000 -exporters 500           under load; see the metrics
  flowdemo -listen :2055 -exporters 0            flows of your own routers
`
