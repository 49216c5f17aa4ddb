-- Names of what flows have numbers for. Fill the tables from your inventory; these rows are
-- flowgen's.

CREATE TABLE interface_names (exporter IPv6, interface UInt32, name String) ENGINE = MergeTree ORDER BY (exporter, interface);
INSERT INTO interface_names
SELECT toIPv6(concat('::ffff:127.1.0.', toString(e.number))) AS exporter, i.number + 1 AS interface, concat('to clients ', toString(i.number + 1)) AS name
FROM numbers(16) AS e CROSS JOIN numbers(4) AS i;
INSERT INTO interface_names
SELECT toIPv6(concat('::ffff:127.1.0.', toString(e.number))) AS exporter, i.number + 101 AS interface, concat('to servers ', toString(i.number + 1)) AS name
FROM numbers(16) AS e CROSS JOIN numbers(4) AS i;

CREATE DICTIONARY interfaces (exporter IPv6, interface UInt32, name String)
PRIMARY KEY exporter, interface
SOURCE(CLICKHOUSE(TABLE 'interface_names'))
LIFETIME(MIN 60 MAX 120)
LAYOUT(COMPLEX_KEY_HASHED());

CREATE TABLE service_names (protocol UInt8, port UInt16, name String) ENGINE = MergeTree ORDER BY (protocol, port);
INSERT INTO service_names VALUES
    (6, 22, 'ssh'), (6, 25, 'smtp'), (6, 80, 'http'), (6, 443, 'https'), (6, 993, 'imaps'), (6, 5432, 'postgresql'), (6, 8080, 'http-alt'),
    (17, 53, 'dns'), (17, 123, 'ntp'), (17, 161, 'snmp'), (17, 443, 'quic'), (17, 3478, 'stun'), (17, 51820, 'wireguard'),
    (1, 0, 'icmp'), (47, 0, 'gre'), (50, 0, 'esp'), (58, 0, 'icmpv6');

CREATE DICTIONARY services (protocol UInt8, port UInt16, name String)
PRIMARY KEY protocol, port
SOURCE(CLICKHOUSE(TABLE 'service_names'))
LIFETIME(MIN 60 MAX 120)
LAYOUT(COMPLEX_KEY_HASHED());
