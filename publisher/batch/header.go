package batch

import "encoding/binary"

// messageName is the type of the messages. Its package says which version of the schema
// it is: what is not compatible will be in another.
const messageName = "flow.v1.FlowRecord"

// MaxHeaderName bounds the name of the header that tells what a value is, in bytes.
const MaxHeaderName = 64

// noHeaders is the header count of a record that has none.
const noHeaders = "\x00"

// maxHeadersSize bounds what Headers returns.
const maxHeadersSize = 1 + 2 + MaxHeaderName + 1 + len("protobuf-delimited; "+messageName)

// This does not compile when the value of the header could outgrow its length of one byte.
const _ = uint(minTwoByteVarint - 1 - len("protobuf-delimited; "+messageName))

// Headers returns the headers of a record, as they are in it: one with a name, whose
// value is the form's name, "; " and the name of the message, as in
// "protobuf; flow.v1.FlowRecord".
func Headers(name string, form Value) string {
	value := form.String() + "; " + messageName
	b := binary.AppendVarint(nil, 1)
	b = append(binary.AppendVarint(b, int64(len(name))), name...)
	b = append(binary.AppendVarint(b, int64(len(value))), value...)
	return string(b)
}

// headers is what follows a record's value.
func (f Framing) headers() string {
	if f.Headers == "" {
		return noHeaders
	}
	return f.Headers
}
