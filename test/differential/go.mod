module github.com/flowpub/flowpub/test/differential

go 1.26.0

require (
	github.com/flowpub/flowpub v0.0.0
	github.com/netsampler/goflow2/v2 v2.2.6
	google.golang.org/protobuf v1.36.12
)

require (
	github.com/gopacket/gopacket v1.7.7 // indirect
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/pierrec/lz4/v4 v4.1.33 // indirect
	golang.org/x/net v0.59.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/flowpub/flowpub => ../..
