package collector

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/flowpub/flowpub/decoder"
)

func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	// Lines as kernels print them; see proc_pid_mountinfo(5) and cgroups(7).
	const (
		v2Mount      = "30 24 0:26 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate,memory_recursiveprot\n"
		rootMount    = "24 1 252:0 / / rw,relatime shared:1 - overlay none rw,lowerdir=/a\n"
		v1Mount      = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup none rw,memory\n"
		v1CPUMount   = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup none rw,cpu,cpuacct\n"
		dockerMount  = "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro,relatime master:15 - cgroup none rw,memory\n"
		v1NoLimit    = "9223372036854771712\n" // with pages of 4 KiB
		v1NoLimit64K = "9223372036854710272\n" // with pages of 64 KiB
	)
	tests := []struct {
		name  string
		files map[string]string
		want  int64 // 0: no limit
	}{
		{"no proc", nil, 0},
		{"no mountinfo", map[string]string{"proc/self/cgroup": "0::/\n"}, 0},
		{
			"version 2 in a container",
			map[string]string{"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": rootMount + v2Mount, "sys/fs/cgroup/memory.max": "536870912\n"},
			512 << 20,
		},
		{
			"version 2 without limit",
			map[string]string{"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": rootMount + v2Mount, "sys/fs/cgroup/memory.max": "max\n"},
			0,
		},
		{
			"version 2 on a host, limit of the service",
			map[string]string{
				"proc/self/cgroup": "0::/system.slice/flowpub.service\n", "proc/self/mountinfo": v2Mount,
				"sys/fs/cgroup/system.slice/memory.max":                 "max\n",
				"sys/fs/cgroup/system.slice/flowpub.service/memory.max": "1073741824\n",
			},
			1 << 30,
		},
		{
			"version 2, the limit above is lower",
			map[string]string{
				"proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": v2Mount,
				"sys/fs/cgroup/a/memory.max": "268435456\n", "sys/fs/cgroup/a/b/memory.max": "1073741824\n",
			},
			256 << 20,
		},
		{
			"version 2, group outside of the namespace",
			map[string]string{"proc/self/cgroup": "0::/../../other\n", "proc/self/mountinfo": v2Mount, "sys/fs/cgroup/memory.max": "1073741824\n"},
			1 << 30,
		},
		{
			"version 1 on a host",
			map[string]string{
				"proc/self/cgroup": "4:memory:/a\n1:cpu,cpuacct:/b\n", "proc/self/mountinfo": v1CPUMount + v1Mount,
				"sys/fs/cgroup/memory/memory.limit_in_bytes": v1NoLimit, "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "1073741824\n",
			},
			1 << 30,
		},
		{
			"version 1 in a container that sees the host's group name",
			map[string]string{
				"proc/self/cgroup": "4:memory:/docker/abc\n", "proc/self/mountinfo": dockerMount,
				"sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912\n",
			},
			512 << 20,
		},
		{
			"version 1, a group with a similar name is another one",
			map[string]string{
				"proc/self/cgroup": "4:memory:/docker/abcdef\n", "proc/self/mountinfo": dockerMount,
				"sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912\n", "sys/fs/cgroup/memory/def/memory.limit_in_bytes": "1048576\n",
			},
			512 << 20,
		},
		{
			"version 1 without limit",
			map[string]string{"proc/self/cgroup": "4:memory:/\n", "proc/self/mountinfo": v1Mount, "sys/fs/cgroup/memory/memory.limit_in_bytes": v1NoLimit},
			0,
		},
		{
			"version 1 without limit, large pages",
			map[string]string{"proc/self/cgroup": "4:memory:/\n", "proc/self/mountinfo": v1Mount, "sys/fs/cgroup/memory/memory.limit_in_bytes": v1NoLimit64K},
			0,
		},
		{
			"both versions, memory in version 1",
			map[string]string{
				"proc/self/cgroup":                             "4:memory:/a\n0::/\n",
				"proc/self/mountinfo":                          v1Mount + "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 none rw\n",
				"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "1073741824\n",
			},
			1 << 30,
		},
		{
			"what is not a number is no limit",
			map[string]string{"proc/self/cgroup": "garbage\n", "proc/self/mountinfo": "short line\n - \n" + v2Mount, "sys/fs/cgroup/memory.max": "lots\n"},
			0,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			root := make(fstest.MapFS)
			for name, text := range test.files {
				root[name] = &fstest.MapFile{Data: []byte(text)}
			}
			limit, limited := memoryLimit(root)
			if limited != (test.want > 0) || (limited && limit != test.want) {
				t.Errorf("got %d, %v; want %d", limit, limited, test.want)
			}
		})
	}
}

// 256 MiB + 2 x 2 x 32 MiB + 192 MiB = 576 MiB; without templates 64 MiB less.
func TestMemoryIsComparedWithTheLimit(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		formats []decoder.Format
		need    int64
		parts   []string
	}{
		{"all formats", nil, 576 << 20, []string{"192MiB", "= 576MiB", "raise the limit to 576MiB"}},
		{"one with templates", []decoder.Format{decoder.FormatIPFIX}, 576 << 20, []string{"192MiB", "= 576MiB", "raise the limit to 576MiB"}},
		{"without templates", []decoder.Format{decoder.FormatNetFlowV5, decoder.FormatSFlowV5}, 512 << 20, []string{"128MiB", "= 512MiB", "raise the limit to 512MiB"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cfg := DefaultConfig()
			cfg.Formats = test.formats
			cfg.Listen = []string{":2055", ":2056"}
			cfg.Publisher.BufferBytes = 256 << 20
			if err := cfg.validateMemory(test.need); err != nil {
				t.Errorf("refused what fits exactly: %v", err)
			}
			err := cfg.validateMemory(test.need - 1)
			if err == nil {
				t.Fatal("accepted more than the limit")
			}
			for _, part := range append(test.parts, "collector: memory", "256MiB", "2 x 64MiB", "lower the buffer") {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q lacks %q", err, part)
				}
			}
		})
	}
}

func TestGoMemory(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name                         string
		addresses                    int
		buffer, receiveBuffer, limit int
		want                         int64
	}{
		// limit - budget - 2 x receive buffers - 32
		{"a limit that fits exactly", 1, 256 << 20, 32 << 20, 512 << 20, 160 << 20},
		{"a limit with room", 1, 256 << 20, 32 << 20, 576 << 20, 224 << 20},
		{"two addresses", 2, 256 << 20, 32 << 20, 576 << 20, 160 << 20},
		{"a small container", 1, 40 << 20, 8 << 20, 256 << 20, 168 << 20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := Config{Listen: make([]string, tt.addresses), ReceiveBuffer: tt.receiveBuffer}
			cfg.Publisher.BufferBytes = tt.buffer
			if got := cfg.goMemory(int64(tt.limit)); got != tt.want {
				t.Errorf("%d MiB are left to Go, want %d MiB", got>>20, tt.want>>20)
			}
		})
	}
}
