module github.com/flowpub/flowpub/test/differential

go 1.26.0

require (
	github.com/flowpub/flowpub v0.0.0
	github.com/netsampler/goflow2/v2 v2.2.6
)

replace github.com/flowpub/flowpub => ../..
