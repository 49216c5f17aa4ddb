package netflow5

// Sizes of NetFlow version 5.
const (
	// HeaderLen is the length of a packet's header, in bytes.
	HeaderLen = 24
	// RecordLen is the length of one flow record, in bytes.
	RecordLen = 48
	// MaxRecords is the largest number of records that the specification allows
	// in a packet. Real packets hold up to 1,364, all that UDP can carry.
	MaxRecords = 30
)

// version5 is the version in a NetFlow version 5 header.
const version5 = 5

// Offsets in the header, in bytes. All fields are big-endian.
const (
	offVersion           = 0  // 16 bits: 5
	offCount             = 2  // 16: records in the packet, 1 to 30
	offSystemUptime      = 4  // 32: milliseconds since the exporter booted
	offExportSeconds     = 8  // 32: seconds since 1970-01-01 UTC
	offExportNanoseconds = 12 // 32: and nanoseconds
	offFlowSequence      = 16 // 32: flows exported before this packet
	offEngineType        = 20 // 8
	offEngineID          = 21 // 8
	offSampling          = 22 // 16: two bits of mode, 14 of interval
)

// Offsets in a record, in bytes. All fields are big-endian.
const (
	offSourceAddress           = 0  // 32 bits: IPv4
	offDestinationAddress      = 4  // 32: IPv4
	offNextHop                 = 8  // 32: IPv4
	offInputInterface          = 12 // 16: SNMP ifIndex
	offOutputInterface         = 14 // 16: SNMP ifIndex
	offPackets                 = 16 // 32
	offOctets                  = 20 // 32
	offFirstUptime             = 24 // 32: system uptime at the first packet
	offLastUptime              = 28 // 32: and at the last
	offSourcePort              = 32 // 16
	offDestinationPort         = 34 // 16
	offPadding1                = 36 // 8: zero; not read
	offTCPFlags                = 37 // 8
	offProtocol                = 38 // 8
	offTOS                     = 39 // 8
	offSourceAS                = 40 // 16
	offDestinationAS           = 42 // 16
	offSourcePrefixLength      = 44 // 8
	offDestinationPrefixLength = 45 // 8
	offPadding2                = 46 // 16: zero; not read
)

// The sampling field's parts.
const (
	samplingModeShift    = 14
	maxSamplingMode      = 1<<(16-samplingModeShift) - 1
	maxSamplingInterval  = 1<<samplingModeShift - 1
	samplingIntervalMask = maxSamplingInterval
)
