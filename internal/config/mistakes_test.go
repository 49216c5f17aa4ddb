package config

import (
	"strings"
	"testing"
)

func TestMistakes(t *testing.T) {
	t.Parallel()
	const pemKey = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n"
	directory := t.TempDir()
	missing := directory + "/missing"
	files := writeFiles(t)
	tests := []struct {
		name    string
		environ []string
		want    []string // beginnings of the lines, in order
	}{
		{"address without port", []string{"FLOWPUB_LISTEN=192.0.2.1"}, []string{
			`FLOWPUB_LISTEN is "192.0.2.1": "192.0.2.1" is not host:port: add the port`,
		}},
		{"link's address without interface", []string{"FLOWPUB_LISTEN=[fe80::1]:2055"}, []string{
			`FLOWPUB_LISTEN is "[fe80::1]:2055": fe80::1 is another one on each interface: name yours, as in [fe80::1%eth0]:2055`,
		}},
		{"nothing behind the interface's sign", []string{"FLOWPUB_LISTEN=0.0.0.0%:2055"}, []string{
			`FLOWPUB_LISTEN is "0.0.0.0%:2055": "0.0.0.0%:2055" is not host:port: name one interface behind the %, as in :2055 or 192.0.2.1:2055`,
		}},
		{"brokers with a semicolon between", []string{"FLOWPUB_KAFKA_BROKERS=a:1;b:2"}, []string{
			`FLOWPUB_KAFKA_BROKERS is "a:1;b:2": "a:1;b:2" is not one entry but 2: separate them by commas, as in a:1,b:2`,
		}},
		{"brokers with a space between", []string{"FLOWPUB_KAFKA_BROKERS=a:1 b:2"}, []string{
			`FLOWPUB_KAFKA_BROKERS is "a:1 b:2": "a:1 b:2" is not one entry but 2: separate them by commas, as in a:1,b:2`,
		}},
		{"brokers with line breaks between", []string{"FLOWPUB_KAFKA_BROKERS=a:1\nb:2\n[2001:db8::1]:3\n"}, []string{
			`FLOWPUB_KAFKA_BROKERS is "a:1\nb:2\n[2001:db8::1]:3": "a:1\nb:2\n[2001:db8::1]:3" is not one entry but 3: separate them by commas, as in a:1,b:2,[2001:db8::1]:3`,
		}},
		{"addresses with a semicolon between", []string{"FLOWPUB_LISTEN=:2055; :2056"}, []string{
			`FLOWPUB_LISTEN is ":2055; :2056": ":2055; :2056" is not one entry but 2: separate them by commas, as in :2055,:2056`,
		}},
		{"networks with a space between", []string{"FLOWPUB_EXPORTERS_ALLOW=192.0.2.0/24 2001:db8::/32"}, []string{
			`FLOWPUB_EXPORTERS_ALLOW is "192.0.2.0/24 2001:db8::/32": "192.0.2.0/24 2001:db8::/32" is not one entry but 2: separate them by commas, as in 192.0.2.0/24,2001:db8::/32`,
		}},
		{"routes with a bar between", []string{"FLOWPUB_KAFKA_TOPIC_ROUTES=10.0.0.0/8=a|192.0.2.0/24=b"}, []string{
			`FLOWPUB_KAFKA_TOPIC_ROUTES is "10.0.0.0/8=a|192.0.2.0/24=b": "10.0.0.0/8=a|192.0.2.0/24=b" is not one entry but 2: separate them by commas, as in 10.0.0.0/8=a,192.0.2.0/24=b`,
		}},
		{"address without brackets", []string{"FLOWPUB_LISTEN=2001:db8::1"}, []string{
			`FLOWPUB_LISTEN is "2001:db8::1": "2001:db8::1" is not host:port: put the IPv6 address in brackets and add the port`,
		}},
		{"address with a scheme", []string{"FLOWPUB_LISTEN=udp://:2055"}, []string{
			`FLOWPUB_LISTEN is "udp://:2055": "udp://:2055" is not host:port: leave out what stands before the host`,
		}},
		{"two wrong addresses of three", []string{"FLOWPUB_LISTEN=:1,x,:70000"}, []string{
			`FLOWPUB_LISTEN is ":1,x,:70000": "x" is not host:port: add the port, as in :2055 or 192.0.2.1:2055; ` +
				`":70000" is not host:port: write the port as a number from 0 to 65535`,
		}},
		{"comma at the end", []string{"FLOWPUB_LISTEN=:2055,"}, []string{
			`FLOWPUB_LISTEN is ":2055,": "" is not host:port: fill or remove the empty entry`,
		}},
		{"address twice", []string{"FLOWPUB_LISTEN=:2055,:2055"}, []string{`FLOWPUB_LISTEN is ":2055,:2055": `}},
		{"no socket", []string{"FLOWPUB_SOCKETS=0"}, []string{`FLOWPUB_SOCKETS is "0": it must be a whole number from 1`}},
		{"too many sockets", []string{"FLOWPUB_SOCKETS=100000"}, []string{`FLOWPUB_SOCKETS is "100000": `}},
		{"receive buffer too small for its sockets", []string{"FLOWPUB_SOCKETS=64", "FLOWPUB_RECEIVE_BUFFER=1MiB"}, []string{
			`FLOWPUB_RECEIVE_BUFFER is "1MiB": `,
		}},
		{"too many sockets, and a receive buffer that is too small for one", []string{"FLOWPUB_SOCKETS=300", "FLOWPUB_RECEIVE_BUFFER=1KiB"}, []string{
			`FLOWPUB_SOCKETS is "300": 300 sockets an address: there must be from 1 to 256`,
			`FLOWPUB_RECEIVE_BUFFER is "1KiB": receive buffer is 1KiB: it must be at least 64KiB for each socket, 64KiB in all`,
		}},
		{"receive buffer too large", []string{"FLOWPUB_SOCKETS=2", "FLOWPUB_RECEIVE_BUFFER=100TiB"}, []string{
			`FLOWPUB_RECEIVE_BUFFER is "100TiB": receive buffer is 100TiB: it must be below 1GiB for each socket, 2GiB in all`,
		}},
		{"size without a unit that is known", []string{"FLOWPUB_RECEIVE_BUFFER=32M"}, []string{
			`FLOWPUB_RECEIVE_BUFFER is "32M": unit "M" is not known: write 32MiB`,
		}},
		{"network without length", []string{"FLOWPUB_EXPORTERS_ALLOW=192.0.2.1"}, []string{
			`FLOWPUB_EXPORTERS_ALLOW is "192.0.2.1": "192.0.2.1" has no prefix length: write 192.0.2.1/32`,
		}},
		{"network with more bits", []string{"FLOWPUB_EXPORTERS_ALLOW=192.0.2.1/24"}, []string{
			`FLOWPUB_EXPORTERS_ALLOW is "192.0.2.1/24": "192.0.2.1/24" has bits beyond its prefix length: write 192.0.2.0/24`,
		}},
		{"network that is none", []string{"FLOWPUB_EXPORTERS_ALLOW=router1"}, []string{
			`FLOWPUB_EXPORTERS_ALLOW is "router1": "router1" is not a network: write it as 192.0.2.0/24`,
		}},
		{"IPv4 network as IPv6", []string{"FLOWPUB_EXPORTERS_ALLOW=::ffff:192.0.2.0/120"}, []string{
			`FLOWPUB_EXPORTERS_ALLOW is "::ffff:192.0.2.0/120": "::ffff:192.0.2.0/120" would match nothing`,
		}},
		{"formats that are none", []string{"FLOWPUB_FORMATS=netflow_v5,v9"}, []string{
			`FLOWPUB_FORMATS is "netflow_v5,v9": "v9" is no format: write netflow_v5, netflow_v9, ipfix or sflow`,
		}},
		{"element that is none", []string{"FLOWPUB_ELEMENTS=82,name"}, []string{
			`FLOWPUB_ELEMENTS is "82,name": elements: "name" is no element: write its number, 0 to 65535`,
		}},
		{"elements without commas", []string{"FLOWPUB_ELEMENTS=82 25461/1;83"}, []string{
			`FLOWPUB_ELEMENTS is "82 25461/1;83": elements: "82 25461/1;83" is not one element but 3: separate them by commas, as in 82,25461/1,83`,
		}},
		{"comma too many", []string{"FLOWPUB_ELEMENTS=82,"}, []string{
			`FLOWPUB_ELEMENTS is "82,": elements: an element is missing beside a comma: remove the comma`,
		}},
		{"exporters file that is not there", []string{"FLOWPUB_EXPORTERS_FILE=/nowhere/exporters"}, []string{
			`FLOWPUB_EXPORTERS_FILE is "/nowhere/exporters": exporters file: no such file or directory: name a file that this user may read`,
		}},
		{"exporters file that is none", []string{"FLOWPUB_EXPORTERS_FILE=/dev/null"}, []string{
			`FLOWPUB_EXPORTERS_FILE is "/dev/null": exporters file: it is no regular file: name a text file with a line for each network`,
		}},
		{"HTTP without port", []string{"FLOWPUB_HTTP_LISTEN=localhost"}, []string{`FLOWPUB_HTTP_LISTEN is "localhost": `}},
		{"HTTP port alone", []string{"FLOWPUB_HTTP_LISTEN=8080"}, []string{
			`FLOWPUB_HTTP_LISTEN is "8080": "8080" is not host:port: put a colon before the port, as in :8080`,
		}},
		{"profiler without HTTP", []string{"FLOWPUB_HTTP_LISTEN=", "FLOWPUB_HTTP_PPROF=true"}, []string{`FLOWPUB_HTTP_PPROF is "true": `}},
		{"too many metrics", []string{"FLOWPUB_METRICS_EXPORTERS=10001"}, []string{`FLOWPUB_METRICS_EXPORTERS is "10001": 10001 exporters with metrics of their own: there may be from 0 to 10000`}},
		{"a number below 0", []string{"FLOWPUB_METRICS_EXPORTERS=-1"}, []string{`FLOWPUB_METRICS_EXPORTERS is "-1": it must be a whole number from 0`}},
		{"summaries too often", []string{"FLOWPUB_LOG_SUMMARY=10ms"}, []string{`FLOWPUB_LOG_SUMMARY is "10ms": a summary every 10ms: it must be 0, for none, or at least 1s`}},
		{"neither true nor false", []string{"FLOWPUB_HTTP_PPROF=yes"}, []string{`FLOWPUB_HTTP_PPROF is "yes": it must be true or false`}},
		{"duration without unit", []string{"FLOWPUB_DRAIN_LINGER=8"}, []string{
			`FLOWPUB_DRAIN_LINGER is "8": a duration needs a unit: write it as 8ms or 8s`,
		}},
		{"negative duration", []string{"FLOWPUB_DRAIN_LINGER=-8s"}, []string{`FLOWPUB_DRAIN_LINGER is "-8s": a duration must not be negative`}},
		{"no time to shut down", []string{"FLOWPUB_SHUTDOWN_TIMEOUT=0s"}, []string{`FLOWPUB_SHUTDOWN_TIMEOUT is "0s": `}},
		{"level", []string{"FLOWPUB_LOG_LEVEL=verbose"}, []string{
			`FLOWPUB_LOG_LEVEL is "verbose": it must be debug, info, warn or error`,
		}},
		{"format", []string{"FLOWPUB_LOG_FORMAT=xml"}, []string{`FLOWPUB_LOG_FORMAT is "xml": it must be text or json`}},
		{"no brokers", []string{"FLOWPUB_KAFKA_BROKERS="}, []string{
			`FLOWPUB_KAFKA_BROKERS is not set: it is required, as host:port, comma-separated`,
		}},
		{"broker without port", []string{"FLOWPUB_KAFKA_BROKERS=kafka"}, []string{
			`FLOWPUB_KAFKA_BROKERS is "kafka": "kafka" is not host:port: add the port, as in kafka:9092`,
		}},
		{"broker without host", []string{"FLOWPUB_KAFKA_BROKERS=:9092"}, []string{
			`FLOWPUB_KAFKA_BROKERS is ":9092": ":9092" is not host:port: add the host, as in kafka:9092`,
		}},
		{"broker with port 0", []string{"FLOWPUB_KAFKA_BROKERS=kafka:0"}, []string{
			`FLOWPUB_KAFKA_BROKERS is "kafka:0": "kafka:0" is not host:port: write the port as a number from 1 to 65535`,
		}},
		{"broker with a scheme", []string{"FLOWPUB_KAFKA_BROKERS=SSL://kafka:9092"}, []string{
			`FLOWPUB_KAFKA_BROKERS is "SSL://kafka:9092": "SSL://kafka:9092" is not host:port: leave out what stands before the host`,
		}},
		{"broker with a password", []string{"FLOWPUB_KAFKA_BROKERS=alice:hunter2@kafka:9092"}, []string{
			`FLOWPUB_KAFKA_BROKERS is set: credentials do not belong here: write host:port and set FLOWPUB_KAFKA_SASL_USERNAME`,
		}},
		{"codec", []string{"FLOWPUB_KAFKA_COMPRESSION=brotli"}, []string{
			`FLOWPUB_KAFKA_COMPRESSION is "brotli": compression "brotli" is not known: use none, gzip, snappy, lz4, lz4-fast, zstd or zstd-fast`,
		}},
		{"header that cannot be", []string{"FLOWPUB_KAFKA_VALUE_HEADER=content type"}, []string{
			`FLOWPUB_KAFKA_VALUE_HEADER is "content type": header "content type" cannot be: a name has 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'`,
		}},
		{"topic that cannot be", []string{"FLOWPUB_KAFKA_TOPIC=a b"}, []string{
			`FLOWPUB_KAFKA_TOPIC is "a b": topic "a b" cannot exist in Kafka: a name has 1 to 249 of `,
		}},
		{"route of no network", []string{"FLOWPUB_KAFKA_TOPIC_ROUTES=10.1.0.1/16=a,10.0.0.1=b,c,::ffff:10.0.0.0/104=d"}, []string{
			`FLOWPUB_KAFKA_TOPIC_ROUTES is "10.1.0.1/16=a,10.0.0.1=b,c,::ffff:10.0.0.0/104=d": "10.1.0.1/16" has bits beyond its prefix length: write 10.1.0.0/16; ` +
				`"10.0.0.1" has no prefix length: write 10.0.0.1/32; "c" is not network=topic: write it as 192.0.2.0/24=topic; ` +
				`"::ffff:10.0.0.0/104" would match nothing`,
		}},
		{"route twice, and to no topic", []string{"FLOWPUB_KAFKA_TOPIC_ROUTES=10.0.0.0/8=a,10.0.0.0/8=b,2001:db8::/32="}, []string{
			`FLOWPUB_KAFKA_TOPIC_ROUTES is "10.0.0.0/8=a,10.0.0.0/8=b,2001:db8::/32=": route 10.0.0.0/8 is there twice: remove one; ` +
				`route 2001:db8::/32 goes to topic "", which cannot exist in Kafka: a name has 1 to 249 of `,
		}},
		{"routes to more topics than the buffer is for", []string{
			"FLOWPUB_KAFKA_TOPIC_ROUTES=10.0.0.0/8=a,11.0.0.0/8=b,12.0.0.0/8=c,13.0.0.0/8=d", "FLOWPUB_KAFKA_BUFFER_BYTES=4MiB",
		}, []string{
			`FLOWPUB_KAFKA_BUFFER_BYTES is "4MiB": buffer is 4MiB: it must be from 5MiB to 1TiB`,
		}},
		{"spread of no network, over no number", []string{"FLOWPUB_KAFKA_SPREAD=198.51.100.7=4,192.0.2.1/32=four,192.0.2.2/32,192.0.2.3/32=4/flow,10.0.0.0/8=4=4"}, []string{
			`FLOWPUB_KAFKA_SPREAD is "198.51.100.7=4,192.0.2.1/32=four,192.0.2.2/32,192.0.2.3/32=4/flow,10.0.0.0/8=4=4": ` +
				`"198.51.100.7" has no prefix length: write 198.51.100.7/32; ` +
				`"192.0.2.1/32=four" is not network=number: write it as 192.0.2.1/32=4, or 192.0.2.1/32=4/datagram; ` +
				`"192.0.2.2/32" is not network=number: write it as 192.0.2.1/32=4, or 192.0.2.1/32=4/datagram; ` +
				`"192.0.2.3/32=4/flow" is not network=number: write it as 192.0.2.1/32=4, or 192.0.2.1/32=4/datagram; ` +
				`"10.0.0.0/8=4=4" is not network=number: write it as 192.0.2.1/32=4, or 192.0.2.1/32=4/datagram`,
		}},
		{"spread twice, and too far", []string{"FLOWPUB_KAFKA_SPREAD=10.0.0.0/8=4,10.0.0.0/8=8,2001:db8::/32=2000"}, []string{
			`FLOWPUB_KAFKA_SPREAD is "10.0.0.0/8=4,10.0.0.0/8=8,2001:db8::/32=2000": 10.0.0.0/8 is spread twice: remove one; ` +
				`2001:db8::/32 is spread over 2000 partitions: it must be from 1 to 1024`,
		}},
		{"dead letters in the topic of flows", []string{"FLOWPUB_KAFKA_DEAD_LETTER_TOPIC=a", "FLOWPUB_KAFKA_TOPIC_ROUTES=10.0.0.0/8=a"}, []string{
			`FLOWPUB_KAFKA_DEAD_LETTER_TOPIC is "a": topic "a" for dead letters is one of those for flow records: give them a topic of their own`,
		}},
		{"templates in the topic of dead letters", []string{"FLOWPUB_KAFKA_DEAD_LETTER_TOPIC=a", "FLOWPUB_KAFKA_TEMPLATE_TOPIC=a"}, []string{
			`FLOWPUB_KAFKA_TEMPLATE_TOPIC is "a": topic "a" for templates is that for dead letters: give them a topic of their own`,
		}},
		{"templates in the topic of flows", []string{"FLOWPUB_KAFKA_TEMPLATE_TOPIC=flows"}, []string{
			`FLOWPUB_KAFKA_TEMPLATE_TOPIC is "flows": topic "flows" for templates is one of those for flow records: give them a topic of their own`,
		}},
		{"dead letters in no topic", []string{"FLOWPUB_KAFKA_DEAD_LETTER_TOPIC=.."}, []string{
			`FLOWPUB_KAFKA_DEAD_LETTER_TOPIC is "..": topic ".." for dead letters cannot exist in Kafka: a name has 1 to 249 of `,
		}},
		{"topic of no shape", []string{"FLOWPUB_KAFKA_CREATE_TOPIC=12"}, []string{
			`FLOWPUB_KAFKA_CREATE_TOPIC is "12": topic shape "12" is not partitions,replication: write two numbers from 1, as in 12,3`,
		}},
		{"too many partitions to create", []string{"FLOWPUB_KAFKA_CREATE_TOPIC=120000,3"}, []string{
			`FLOWPUB_KAFKA_CREATE_TOPIC is "120000,3": topic shape is 120000,3: partitions must be from 1 to 10000`,
		}},
		{"value that is none", []string{"FLOWPUB_KAFKA_VALUE=avro"}, []string{
			`FLOWPUB_KAFKA_VALUE is "avro": value "avro" is not known: use protobuf, protobuf-delimited, confluent or json`,
		}},
		{"buffer too small for JSON", []string{"FLOWPUB_KAFKA_VALUE=json", "FLOWPUB_KAFKA_BUFFER_BYTES=7MiB"}, []string{
			`FLOWPUB_KAFKA_BUFFER_BYTES is "7MiB": buffer is 7MiB: it must be from 8MiB to 1TiB`,
		}},
		{"confluent without registry", []string{"FLOWPUB_KAFKA_VALUE=confluent"}, []string{
			`FLOWPUB_SCHEMA_REGISTRY_URL is not set: there is no schema registry: name its URL, as in https://registry:8081`,
		}},
		{"registry for other values", []string{
			"FLOWPUB_SCHEMA_REGISTRY_URL=https://registry:8081", "FLOWPUB_SCHEMA_REGISTRY_USERNAME=alice",
			"FLOWPUB_SCHEMA_REGISTRY_PASSWORD_FILE=" + missing, "FLOWPUB_SCHEMA_REGISTRY_CA_FILE=" + missing,
		}, []string{
			`FLOWPUB_SCHEMA_REGISTRY_URL is set: values need no schema registry: set FLOWPUB_KAFKA_VALUE=confluent, or remove this`,
			`FLOWPUB_SCHEMA_REGISTRY_USERNAME is "alice": values need no schema registry`,
			`FLOWPUB_SCHEMA_REGISTRY_PASSWORD_FILE is set: values need no schema registry`,
			`FLOWPUB_SCHEMA_REGISTRY_CA_FILE is "` + missing + `": values need no schema registry`,
		}},
		{"registry with a password in its URL", []string{
			"FLOWPUB_KAFKA_VALUE=confluent", "FLOWPUB_SCHEMA_REGISTRY_URL=https://alice:hunter2@registry",
		}, []string{`FLOWPUB_SCHEMA_REGISTRY_URL is set: the schema registry's URL is not valid: write it as https://registry:8081, without credentials`}},
		{"registry with a user alone", []string{
			"FLOWPUB_KAFKA_VALUE=confluent", "FLOWPUB_SCHEMA_REGISTRY_URL=https://registry", "FLOWPUB_SCHEMA_REGISTRY_USERNAME=alice",
		}, []string{`FLOWPUB_SCHEMA_REGISTRY_PASSWORD_FILE is not set: a schema registry takes both a user name and a password file, or neither`}},
		{"registry with a password alone", []string{
			"FLOWPUB_KAFKA_VALUE=confluent", "FLOWPUB_SCHEMA_REGISTRY_URL=https://registry", "FLOWPUB_SCHEMA_REGISTRY_PASSWORD_FILE=" + files.password,
		}, []string{`FLOWPUB_SCHEMA_REGISTRY_USERNAME is not set: a schema registry takes both a user name and a password file, or neither`}},
		{"registry's files missing", []string{
			"FLOWPUB_KAFKA_VALUE=confluent", "FLOWPUB_SCHEMA_REGISTRY_URL=https://registry", "FLOWPUB_SCHEMA_REGISTRY_USERNAME=alice",
			"FLOWPUB_SCHEMA_REGISTRY_PASSWORD_FILE=" + missing, "FLOWPUB_SCHEMA_REGISTRY_CA_FILE=" + missing,
		}, []string{
			`FLOWPUB_SCHEMA_REGISTRY_PASSWORD_FILE is set: schema registry's password: `,
			`FLOWPUB_SCHEMA_REGISTRY_CA_FILE is "` + missing + `": certificate authorities: `,
		}},
		{"registry's authority in place of its file", []string{
			"FLOWPUB_KAFKA_VALUE=confluent", "FLOWPUB_SCHEMA_REGISTRY_URL=https://registry", "FLOWPUB_SCHEMA_REGISTRY_CA_FILE=" + pemKey,
		}, []string{`FLOWPUB_SCHEMA_REGISTRY_CA_FILE is set: it holds the contents of a file`}},
		{"linger too long", []string{"FLOWPUB_KAFKA_LINGER=2m"}, []string{`FLOWPUB_KAFKA_LINGER is "2m": linger is 2m0s: `}},
		{"batch too large", []string{"FLOWPUB_KAFKA_BATCH_BYTES=2MiB"}, []string{`FLOWPUB_KAFKA_BATCH_BYTES is "2MiB": batch size is 2MiB: it must be from 4KiB to 1MiB`}},
		{"buffer too small", []string{"FLOWPUB_KAFKA_BUFFER_BYTES=1MiB"}, []string{`FLOWPUB_KAFKA_BUFFER_BYTES is "1MiB": buffer is 1MiB: it must be from 4MiB to 1TiB`}},
		{"buffer too large", []string{"FLOWPUB_KAFKA_BUFFER_BYTES=900TiB"}, []string{
			`FLOWPUB_KAFKA_BUFFER_BYTES is "900TiB": buffer is 900TiB: it must be from 4MiB to 1TiB`,
		}},
		{"partitioner", []string{"FLOWPUB_KAFKA_PARTITIONER=random"}, []string{
			`FLOWPUB_KAFKA_PARTITIONER is "random": partitioner "random" is not known: use murmur2, crc32 or fnv1a`,
		}},
		{"acks", []string{"FLOWPUB_KAFKA_ACKS=2"}, []string{`FLOWPUB_KAFKA_ACKS is "2": acks "2" is not known: use all, 1 or 0`}},
		{"acks, and idempotent all the same", []string{"FLOWPUB_KAFKA_ACKS=2", "FLOWPUB_KAFKA_IDEMPOTENT=true"}, []string{
			`FLOWPUB_KAFKA_ACKS is "2": `,
		}},
		{"idempotent without all acks", []string{"FLOWPUB_KAFKA_ACKS=1", "FLOWPUB_KAFKA_IDEMPOTENT=true"}, []string{
			`FLOWPUB_KAFKA_IDEMPOTENT is "true": idempotent publishing needs acks=all, not acks=1: set acks to all, or idempotence to false`,
		}},
		{"TLS neither on nor off", []string{"FLOWPUB_KAFKA_TLS=on", "FLOWPUB_KAFKA_TLS_SERVER_NAME=kafka"}, []string{
			`FLOWPUB_KAFKA_TLS is "on": it must be true or false`,
		}},
		{"settings of TLS without it", []string{
			"FLOWPUB_KAFKA_TLS_CA_FILE=/ca", "FLOWPUB_KAFKA_TLS_CERT_FILE=/c", "FLOWPUB_KAFKA_TLS_KEY_FILE=/k",
			"FLOWPUB_KAFKA_TLS_SERVER_NAME=kafka", "FLOWPUB_KAFKA_TLS_INSECURE=true",
		}, []string{
			`FLOWPUB_KAFKA_TLS_CA_FILE is "/ca": TLS is off: set FLOWPUB_KAFKA_TLS=true, or remove this`,
			`FLOWPUB_KAFKA_TLS_CERT_FILE is set: TLS is off: `,
			`FLOWPUB_KAFKA_TLS_KEY_FILE is set: TLS is off: `,
			`FLOWPUB_KAFKA_TLS_SERVER_NAME is "kafka": TLS is off: `,
			`FLOWPUB_KAFKA_TLS_INSECURE is "true": TLS is off: `,
		}},
		{"both files of TLS are missing", []string{
			"FLOWPUB_KAFKA_TLS=true", "FLOWPUB_KAFKA_TLS_CA_FILE=" + missing,
			"FLOWPUB_KAFKA_TLS_CERT_FILE=" + missing, "FLOWPUB_KAFKA_TLS_KEY_FILE=" + missing,
		}, []string{
			`FLOWPUB_KAFKA_TLS_CA_FILE is "` + missing + `": `,
			`FLOWPUB_KAFKA_TLS_CERT_FILE is set: client certificate: no such file or directory: name a file that this user may read`,
			`FLOWPUB_KAFKA_TLS_KEY_FILE is set: key of the client certificate: no such file or directory: name a file that this user may read`,
		}},
		{"certificate without key", []string{"FLOWPUB_KAFKA_TLS=true", "FLOWPUB_KAFKA_TLS_CERT_FILE=/c"}, []string{
			`FLOWPUB_KAFKA_TLS_CERT_FILE is set: a client certificate needs both its certificate file and its key file`,
		}},
		{"key in place of its file", []string{
			"FLOWPUB_KAFKA_TLS=true", "FLOWPUB_KAFKA_TLS_CERT_FILE=/c", "FLOWPUB_KAFKA_TLS_KEY_FILE=" + pemKey,
		}, []string{
			`FLOWPUB_KAFKA_TLS_CERT_FILE is set: client certificate: no such file or directory`,
			`FLOWPUB_KAFKA_TLS_KEY_FILE is set: it holds the contents of a file: write them to a file and name that`,
		}},
		{"secrets in place of their files", []string{
			"FLOWPUB_KAFKA_SASL_MECHANISM=oauthbearer", "FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_FILE=hunter2", "FLOWPUB_KAFKA_SASL_PASSWORD_FILE=hunter2",
		}, []string{
			`FLOWPUB_KAFKA_SASL_PASSWORD_FILE is set: it is of no use to oauthbearer`,
			`FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_FILE is set: OAuth token: no such file or directory: name a file that this user may read`,
		}},
		{"a file that is there but of no use", []string{
			"FLOWPUB_KAFKA_SASL_MECHANISM=oauthbearer", "FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_FILE=" + directory,
		}, []string{
			`FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_FILE is "` + directory + `": OAuth token: is a directory: name a file that this user may read`,
		}},
		{"mechanism", []string{"FLOWPUB_KAFKA_SASL_MECHANISM=gssapi", "FLOWPUB_KAFKA_SASL_USERNAME=alice"}, []string{
			`FLOWPUB_KAFKA_SASL_MECHANISM is "gssapi": it must be plain, scram-sha-256, scram-sha-512 or oauthbearer`,
		}},
		{"credentials without mechanism", []string{
			"FLOWPUB_KAFKA_SASL_USERNAME=alice", "FLOWPUB_KAFKA_SASL_PASSWORD=hunter2", "FLOWPUB_KAFKA_SASL_PASSWORD_FILE=/p",
		}, []string{
			`FLOWPUB_KAFKA_SASL_USERNAME is "alice": authentication is off: set FLOWPUB_KAFKA_SASL_MECHANISM, or remove this`,
			`FLOWPUB_KAFKA_SASL_PASSWORD is set: authentication is off: `,
			`FLOWPUB_KAFKA_SASL_PASSWORD_FILE is set: authentication is off: `,
		}},
		{"mechanism without credentials", []string{"FLOWPUB_KAFKA_SASL_MECHANISM=plain"}, []string{
			`FLOWPUB_KAFKA_SASL_USERNAME is not set: SASL needs a user name`,
			`FLOWPUB_KAFKA_SASL_PASSWORD_FILE is not set: SASL needs a password or a password file`,
		}},
		{"two passwords, one unreadable", []string{
			"FLOWPUB_KAFKA_SASL_MECHANISM=scram-sha-256", "FLOWPUB_KAFKA_SASL_USERNAME=alice",
			"FLOWPUB_KAFKA_SASL_PASSWORD=hunter2", "FLOWPUB_KAFKA_SASL_PASSWORD_FILE=" + missing,
		}, []string{
			`FLOWPUB_KAFKA_SASL_PASSWORD is set: SASL takes a password or a password file, not both`,
			`FLOWPUB_KAFKA_SASL_PASSWORD_FILE is set: SASL password: no such file or directory: name a file that this user may read`,
		}},
		{"OAuth without mechanism", []string{
			"FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_URL=https://idp/?key=hunter2", "FLOWPUB_KAFKA_SASL_OAUTH_SCOPE=s",
			"FLOWPUB_KAFKA_SASL_OAUTH_EXTENSIONS=a=b",
		}, []string{
			`FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_URL is set: authentication is off: `,
			`FLOWPUB_KAFKA_SASL_OAUTH_SCOPE is "s": authentication is off: `,
			`FLOWPUB_KAFKA_SASL_OAUTH_EXTENSIONS is "a=b": authentication is off: `,
		}},
		{"OAuth settings with a mechanism that needs a password", []string{
			"FLOWPUB_KAFKA_SASL_MECHANISM=plain", "FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_FILE=/t", "FLOWPUB_KAFKA_SASL_OAUTH_CLIENT_ID=c",
			"FLOWPUB_KAFKA_SASL_OAUTH_CLIENT_SECRET_FILE=/s",
		}, []string{
			`FLOWPUB_KAFKA_SASL_USERNAME is not set: SASL needs a user name`,
			`FLOWPUB_KAFKA_SASL_PASSWORD_FILE is not set: SASL needs a password or a password file`,
			`FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_FILE is set: it is for oauthbearer: set FLOWPUB_KAFKA_SASL_MECHANISM=oauthbearer, or remove this`,
			`FLOWPUB_KAFKA_SASL_OAUTH_CLIENT_ID is "c": it is for oauthbearer: `,
			`FLOWPUB_KAFKA_SASL_OAUTH_CLIENT_SECRET_FILE is set: it is for oauthbearer: `,
		}},
		{"a password with oauthbearer, and no token", []string{
			"FLOWPUB_KAFKA_SASL_MECHANISM=oauthbearer", "FLOWPUB_KAFKA_SASL_USERNAME=alice", "FLOWPUB_KAFKA_SASL_PASSWORD=hunter2",
		}, []string{
			`FLOWPUB_KAFKA_SASL_USERNAME is "alice": it is of no use to oauthbearer, whose token tells the user: set another FLOWPUB_KAFKA_SASL_MECHANISM, or remove this`,
			`FLOWPUB_KAFKA_SASL_PASSWORD is set: it is of no use to oauthbearer`,
			`FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_FILE is not set: OAuth needs a token file or the URL of a token endpoint`,
		}},
		{"a token URL alone, with credentials", []string{
			"FLOWPUB_KAFKA_SASL_MECHANISM=oauthbearer", "FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_URL=https://alice:hunter2@idp/token",
		}, []string{
			`FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_URL is set: OAuth token URL holds credentials: set the client id and the file of the client secret instead`,
			`FLOWPUB_KAFKA_SASL_OAUTH_CLIENT_ID is not set: OAuth needs a client id for the token endpoint`,
			`FLOWPUB_KAFKA_SASL_OAUTH_CLIENT_SECRET_FILE is not set: OAuth needs the file of the client secret for the token endpoint`,
		}},
		{"files for tokens that are not there", []string{
			"FLOWPUB_KAFKA_SASL_MECHANISM=oauthbearer", "FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_URL=https://idp/token", "FLOWPUB_KAFKA_SASL_OAUTH_CLIENT_ID=c",
			"FLOWPUB_KAFKA_SASL_OAUTH_CLIENT_SECRET_FILE=" + missing, "FLOWPUB_KAFKA_SASL_OAUTH_CA_FILE=" + missing,
		}, []string{
			`FLOWPUB_KAFKA_SASL_OAUTH_CLIENT_SECRET_FILE is set: OAuth client secret: no such file or directory: `,
			`FLOWPUB_KAFKA_SASL_OAUTH_CA_FILE is "` + missing + `": certificate authorities: `,
		}},
		{"a token file that is not there, and an endpoint's client", []string{
			"FLOWPUB_KAFKA_SASL_MECHANISM=oauthbearer", "FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_FILE=" + missing, "FLOWPUB_KAFKA_SASL_OAUTH_CLIENT_ID=c",
		}, []string{
			`FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_FILE is set: OAuth token: no such file or directory: `,
			`FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_URL is not set: OAuth client settings are for a token endpoint: name its URL, or remove them`,
		}},
		{"two sources of tokens", []string{
			"FLOWPUB_KAFKA_SASL_MECHANISM=oauthbearer", "FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_FILE=" + missing,
			"FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_URL=https://idp/token", "FLOWPUB_KAFKA_SASL_OAUTH_CLIENT_ID=c",
			"FLOWPUB_KAFKA_SASL_OAUTH_CLIENT_SECRET_FILE=" + missing,
		}, []string{
			`FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_FILE is set: OAuth token: no such file or directory: `,
			`FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_URL is set: OAuth takes a token file or the URL of a token endpoint, not both`,
		}},
		{"unknown names, with what may be secrets", []string{
			"FLOWPUB_LISTENER=hunter2", "FLOWPUB_KAFKA_SASL_PASWORD=hunter2", "FLOWPUB_PORT=2055", "FLOWPUB_kafka_topic=x",
		}, []string{
			`FLOWPUB_KAFKA_SASL_PASWORD is not known: did you mean FLOWPUB_KAFKA_SASL_PASSWORD? Otherwise remove it`,
			`FLOWPUB_LISTENER is not known: did you mean FLOWPUB_LISTEN? Otherwise remove it`,
			`FLOWPUB_PORT is not known: did you mean `,
			`FLOWPUB_kafka_topic is not known: did you mean `,
		}},
		{"what only resembles Kubernetes", []string{"FLOWPUB_PORT_2055_ICMP=1", "FLOWPUB_PORT_X_UDP=1", "FLOWPUB_SERVICE_HOSTS=1"}, []string{
			`FLOWPUB_PORT_2055_ICMP is not known`, `FLOWPUB_PORT_X_UDP is not known`, `FLOWPUB_SERVICE_HOSTS is not known`,
		}},
		{"mistakes of every kind, in the order of the documentation", []string{
			"FLOWPUB_X=1", "FLOWPUB_KAFKA_BATCH_BYTES=2MiB", "FLOWPUB_KAFKA_LINGER=100", "FLOWPUB_KAFKA_BROKERS=", "FLOWPUB_SOCKETS=none",
		}, []string{
			"FLOWPUB_SOCKETS is ", "FLOWPUB_KAFKA_BROKERS is not set", "FLOWPUB_KAFKA_LINGER is ", "FLOWPUB_KAFKA_BATCH_BYTES is ",
			"FLOWPUB_X is not known",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(append([]string{"FLOWPUB_KAFKA_BROKERS=kafka:9092"}, tt.environ...))
			if err == nil {
				t.Fatal("no mistake was found")
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a secret is shown:\n%v", err)
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(tt.want) {
				t.Fatalf("%d lines, want %d:\n%v", len(lines), len(tt.want), err)
			}
			for i, want := range tt.want {
				if !strings.HasPrefix(lines[i], want) {
					t.Errorf("line %d:\n got %s\nwant %s...", i+1, lines[i], want)
				}
			}
		})
	}
}

// What is wrong with no variable must not let a wrong configuration pass.
func TestMistakesInNoVariableStay(t *testing.T) {
	t.Parallel()
	cfg := defaults().Collector
	cfg.Publisher.RequestTimeout = 0 // has no variable
	left := judge(cfg.Validate(), newMistakes(nil, nil))
	if len(left) != 1 || !strings.HasPrefix(left[0], "request timeout is 0s") {
		t.Errorf("complaints left: %q, want the one about the request timeout", left)
	}
}

func TestEditDistance(t *testing.T) {
	t.Parallel()
	tests := []struct {
		from, to string
		want     int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"same", "same", 0},
		{"kitten", "sitting", 3},
		{"flaw", "lawn", 2},
		{"PASWORD", "PASSWORD", 1},
	}
	for _, tt := range tests {
		if got := editDistance(tt.from, tt.to); got != tt.want {
			t.Errorf("editDistance(%q, %q) = %d, want %d", tt.from, tt.to, got, tt.want)
		}
	}
}
