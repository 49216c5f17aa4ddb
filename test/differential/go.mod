module github.com/flowpub/flowpub/test/differential

go 1.26.0

require (
	github.com/flowpub/flowpub v0.0.0
	github.com/netsampler/goflow2/v2 v2.2.6
)

require (
	github.com/gopacket/gopacket v1.7.7 // indirect
	golang.org/x/net v0.59.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/flowpub/flowpub => ../..
