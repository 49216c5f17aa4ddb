package config

import (
	"math"
	"strconv"
	"strings"
	"testing"
)

func TestByteSize(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want ByteSize
	}{
		{"0", 0},
		{"0MiB", 0},
		{"4096", 4096},
		{"010KiB", 10240},
		{"1B", 1},
		{"1kB", 1000},
		{"1KiB", 1024},
		{"512KiB", 524288},
		{"64MB", 64000000},
		{"32MiB", 33554432},
		{"32 MiB", 33554432},
		{"1.5GiB", 1610612736},
		{"0.5KiB", 512},
		{"0.1kB", 100},
		{"2GB", 2000000000},
		{"1TB", 1000000000000},
		{"1TiB", 1099511627776},
		{"9223372036854775807", math.MaxInt64},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			var got ByteSize
			if err := got.UnmarshalText([]byte(tt.text)); err != nil {
				t.Fatalf("UnmarshalText(%q): %v", tt.text, err)
			}
			if got != tt.want {
				t.Errorf("UnmarshalText(%q) = %d bytes, want %d", tt.text, got, tt.want)
			}
		})
	}
}

func TestByteSizeRefused(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, cure string }{
		{"empty", "", "write it as 32MiB"},
		{"no number", "MiB", "write it as 32MiB"},
		{"negative", "-1MiB", "must not be negative"},
		{"plus sign", "+1MiB", "write it as 32MiB"},
		{"exponent", "1e9", "write it as 32MiB"},
		{"hexadecimal", "0x10", "write it as 32MiB"},
		{"fraction of numbers", "1/2KiB", "write it as 32MiB"},
		{"underscore", "1_000", "write it as 32MiB"},
		{"decimal comma", "1,5GiB", "write it as 32MiB"},
		{"two points", "1.2.3MiB", "write it as 32MiB"},
		{"point alone", ".MiB", "write it as 32MiB"},
		{"two sizes", "1GiB512MiB", "write it as 32MiB"},
		{"two spaces", "32  MiB", "use B, KiB"},
		{"ambiguous M", "32M", "write 32MiB"},
		{"quantity of Kubernetes", "32Mi", "write 32MiB"},
		{"lower case", "32mib", "write 32MiB"},
		{"unknown unit", "32foo", "use B, KiB, MiB"},
		{"fraction of a byte", "1.5B", "use a smaller unit"},
		{"fraction of a byte in KiB", "0.0001KiB", "use a smaller unit"},
		{"one above the largest", "9223372036854775808", "use a smaller size"},
		{"far above the largest", "8388608TiB", "use a smaller size"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			size := ByteSize(7)
			err := size.UnmarshalText([]byte(tt.text))
			if err == nil {
				t.Fatalf("UnmarshalText(%q) = %d, want an error", tt.text, size)
			}
			if !strings.Contains(err.Error(), tt.cure) {
				t.Errorf("UnmarshalText(%q): %q does not name the cure %q", tt.text, err, tt.cure)
			}
			if size != 7 {
				t.Errorf("UnmarshalText(%q) changed the size to %d although it failed", tt.text, size)
			}
		})
	}
}

func TestByteSizeString(t *testing.T) {
	t.Parallel()
	tests := []struct {
		size ByteSize
		want string
	}{
		{0, "0B"},
		{1000, "1000B"},
		{1024, "1KiB"},
		{1610612736, "1536MiB"},
		{1 << 40, "1TiB"},
	}
	for _, tt := range tests {
		if got := tt.size.String(); got != tt.want {
			t.Errorf("ByteSize(%d).String() = %q, want %q", int(tt.size), got, tt.want)
		}
	}
}

func FuzzByteSize(f *testing.F) {
	for _, seed := range []string{"32MiB", "1.5GiB", "4096", "-1", "9223372036854775808", "0.0001KiB", "32 MB", "", "."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var size ByteSize
		if err := size.UnmarshalText([]byte(text)); err != nil {
			if n, convErr := strconv.Atoi(text); convErr == nil && n >= 0 && strings.Trim(text, "0123456789") == "" {
				t.Errorf("UnmarshalText(%q): %v, want %d bytes", text, err, n)
			}
			return
		}
		if size < 0 {
			t.Fatalf("UnmarshalText(%q) = %d, which is negative", text, size)
		}
		if n, err := strconv.Atoi(text); err == nil && int(size) != n {
			t.Errorf("UnmarshalText(%q) = %d", text, size)
		}
		var again ByteSize
		if err := again.UnmarshalText([]byte(size.String())); err != nil || again != size {
			t.Errorf("UnmarshalText(%q) = %d, written %q, read %d, %v", text, size, size.String(), again, err)
		}
	})
}
