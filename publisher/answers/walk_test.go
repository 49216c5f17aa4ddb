package answers

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/segmentio/kafka-go/protocol"
	_ "github.com/segmentio/kafka-go/protocol/apiversions" // each makes itself known to protocol
	_ "github.com/segmentio/kafka-go/protocol/createtopics"
	_ "github.com/segmentio/kafka-go/protocol/describeconfigs"
	_ "github.com/segmentio/kafka-go/protocol/initproducerid"
	_ "github.com/segmentio/kafka-go/protocol/listoffsets"
	_ "github.com/segmentio/kafka-go/protocol/metadata"
	_ "github.com/segmentio/kafka-go/protocol/produce"
	_ "github.com/segmentio/kafka-go/protocol/saslauthenticate"
	_ "github.com/segmentio/kafka-go/protocol/saslhandshake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/internal/fakebroker"
)

// oldest are the versions below which a request is not made.
var oldest = map[kmsg.Key]int16{kmsg.Fetch: 10, kmsg.ListOffsets: 1}

// Each valid answer of each version is taken to its last byte, and none that misses
// bytes at its end. The answers are encoded by another client's package.
func TestValidAnswers(t *testing.T) {
	t.Parallel()
	for key, newest := range fakebroker.Requests() {
		a, known := apiOf(int16(key))
		if !known || a.newest != newest {
			t.Errorf("%v: known %v up to version %d, want %d", key, known, a.newest, newest)
			continue
		}
		for version := oldest[key]; version <= newest; version++ {
			frame := fakebroker.Valid(&fakebroker.Request{Key: int16(key), Version: version}, "127.0.0.1:9092")[sizeBytes:]
			if w, err := a.walk(version, frame); err != nil || w.left() != 0 {
				t.Errorf("%v, version %d: error %v, %d bytes are left", key, version, err, w.left())
			}
			for n := range frame {
				if _, err := a.walk(version, frame[:n]); err == nil {
					t.Errorf("%v, version %d: %d of %d bytes are taken", key, version, n, len(frame))
				}
			}
		}
	}
}

// Whatever is taken, the client can decode, but for records, which it is not asked to.
func FuzzAnswers(f *testing.F) {
	for key, newest := range fakebroker.Requests() {
		for version := oldest[key]; version <= newest; version++ {
			f.Add(int16(key), version, fakebroker.Valid(&fakebroker.Request{Key: int16(key), Version: version}, "127.0.0.1:9092")[sizeBytes:])
		}
	}
	f.Fuzz(func(t *testing.T, key, version int16, frame []byte) {
		a, known := apiOf(key)
		if !known || version < 0 || version > a.newest || len(frame) > a.size {
			return
		}
		if _, err := a.walk(version, frame); err != nil || key == fetch {
			return
		}
		if key == describeQuorum || key == metadata && version > 8 {
			return // whoever asks reads it without the client
		}
		whole := append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...)
		if _, _, err := protocol.ReadResponse(bytes.NewReader(whole), protocol.ApiKey(key), version); err != nil {
			t.Errorf("%s, version %d: the client cannot decode what was taken: %v", a.name, version, err)
		}
	})
}
